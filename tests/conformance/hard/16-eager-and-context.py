# Eager tasks and context: the first step inside create_task, the context copied at creation, errors held back
v = contextvars.ContextVar('v', default='-')
async def child(n, wait, fail=False):
    say(n, v.get()); v.set(n)
    if wait: await sleep(0); say(n, 'again', v.get())
    if fail: raise ValueError(n)
    return n
async def main():
    v.set('main'); loop = get_running_loop()
    lazy = create_task(child('lazy', True), name='L'); v.set('changed')
    e = create_task(child('eager', False), name='E', eager_start=True)
    say(e.get_name(), e.done(), e.get_coro(), v.get())
    loop.call_soon(lambda: (say('callback 1', v.get()), v.set('cb'))); loop.call_soon(lambda: say('callback 2', v.get()))
    await lazy; say(v.get())
    ctx = contextvars.copy_context(); await create_task(child('shared', False), context=ctx); say(v.get(), ctx[v])
    await child('inline', False); say(v.get())
    loop.set_task_factory(eager_task_factory)
    say(gather(child('x', False), child('y', False)).done())
    try:
        async with TaskGroup() as tg: tg.create_task(child('f', False, True)); say('not yet'); await sleep(0); await sleep(0); say('never')
    except* ValueError as g: say(g.exceptions)
