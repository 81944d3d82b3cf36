# Wait and as_completed: cancelled children, duplicates, the timeout, nothing left behind
async def child(n, t, how=None):
    await sleep(t)
    if how == 'cancel': current_task().cancel(n); await sleep(0)
    if how: raise ValueError(n)
    return n
async def main():
    a, b, c = create_task(child('a', 1, 'cancel')), create_task(child('b', 2, 'fail')), create_task(child('c', 3))
    done, pending = await wait([a, b, c], return_when=FIRST_EXCEPTION); say(len(done), len(pending), b in done)
    done, pending = await wait({c}, timeout=0.5); say(len(done), len(pending), c.done())
    w = create_task(wait([c])); await sleep(0); w.cancel(); await end(w, 'wait cancelled'); say(c.cancelling())
    for aw in as_completed([a, b, c, c]): await end(aw, 'plain')
    d = create_task(child('d', 1)); e = create_task(child('e', 9))
    try:
        async for f in as_completed([e, d], timeout=2): say(f is d, f.result())
    except TimeoutError: say('TimeoutError from the loop', e.done(), e.cancelling())
    for aw in as_completed([e, child('x', 9)], timeout=1): await end(aw, 'late')
