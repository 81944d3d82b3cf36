# One iteration: what is ready first, then due timers; what they queue waits for the next one
async def main():
    loop = get_running_loop(); n = [0]
    def tick(): n[0] += 1; n[0] < 7 and loop.call_soon(tick)
    def p(*a): print('pass', n[0], *a)
    async def task(k):
        p(k, 'step 1'); await sleep(0); p(k, 'step 2'); await f; p(k, 'woken'); return k
    f = loop.create_future(); loop.call_later(0, p, 'timer 0'); loop.call_soon(tick)
    a, b = create_task(task('a')), create_task(task('b'))
    f.add_done_callback(lambda _: p('callback of f, registered first')); a.add_done_callback(lambda _: p('a is done'))
    loop.call_soon(lambda: loop.call_soon(p, 'queued by a handle')); h = loop.call_soon(p, 'never'); loop.call_soon(h.cancel); h.cancel()
    await sleep(0); await sleep(0); p('main sets f'); f.set_result(1); f.add_done_callback(lambda _: p('callback of f, registered last'))
    p('gathered', await gather(a, b)); p(await f, 'no pass for a done future'); p(await wait([a, b], return_when=FIRST_COMPLETED) and 'wait')
    p('end')
