# Barrier: a cancelled party leaves (and CPython's indices then repeat); reset and abort
async def party(b, n):
    try: say(n, 'index', await b.wait())
    except (BrokenBarrierError, CancelledError) as e: say(n, type(e).__name__, e.args)
async def main():
    b = Barrier(3); ts = [create_task(party(b, n)) for n in 'AB']; await sleep(1)
    say(b.n_waiting); ts[0].cancel(); await sleep(1); say(b.n_waiting)
    await gather(party(b, 'C'), party(b, 'D'), ts[1]); say(b.n_waiting, b.broken)
    ts = [create_task(party(b, n)) for n in 'EF']; await sleep(1); await b.reset(); await sleep(1)
    ts = [create_task(party(b, n)) for n in 'GH']; await sleep(1); await b.abort(); await sleep(1)
    say(b.broken); await party(b, 'I'); await b.reset(); say(b.broken)
    await gather(*(party(b, n) for n in 'JKLMNO'))
