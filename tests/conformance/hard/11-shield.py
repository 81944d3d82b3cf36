# Shield: the outer is cancelled, the inner runs on, its error is told once, also to those who do handle it
async def fail(): await sleep(3); raise KeyError('k')
async def main():
    loop = get_running_loop()
    loop.set_exception_handler(lambda l, c: say('HANDLER', c['message'], repr(c['exception'])))
    inner = create_task(fail()); outers = [shield(inner) for _ in range(3)]
    waiter = create_task(end(outers[2], 'third waiter'))
    await sleep(1); say([o.cancel('m') for o in outers[:2]], outers[0].cancel())
    await end(outers[0], 'first waiter'); await waiter
    done = shield(inner); say(done is inner)
    inner = create_task(sleep(9)); o = shield(inner); await sleep(0); inner.cancel('in'); await end(o, 'inner cancelled')
    async def caller(): await shield(sleep(2, 'kept'))
    t = create_task(caller()); await sleep(1); t.cancel('caller'); await end(t, 'caller')
    await sleep(2); say(sorted(x.get_coro().__name__ for x in all_tasks()))
