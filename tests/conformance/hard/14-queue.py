# Queue: a woken getter owns nothing; cancelled, it passes the wake on; shutdown and join
async def get(q, n):
    try: say(n, 'got', await q.get())
    except BaseException as e: say(n, type(e).__name__); raise
async def main():
    q = Queue(2); a, b, c = [create_task(get(q, n)) for n in 'abc']; await sleep(1)
    q.put_nowait(1); say('stolen', q.get_nowait()); await sleep(1)      # a goes to the END of the line
    q.put_nowait(2); await sleep(1)
    q.put_nowait(3); c.cancel(); await sleep(1)                         # c was woken, a gets 3
    say(q, a.done(), b.done())
    for i in 4, 5: await q.put(i)
    p = create_task(end(q.put(6), 'blocked put')); j = create_task(end(q.join(), 'join')); await sleep(1)
    q.shutdown(); await sleep(1); say(q); await end(q.put(7), 'put'); await end(q.get(), 'get')
    q.shutdown(immediate=True); await sleep(1); say(q.qsize(), 'unfinished', q._unfinished_tasks, j.done())
    for _ in range(4): q.task_done()
    await end(q.get(), 'get'); await j
    try: q.task_done()
    except ValueError as e: say(e)
