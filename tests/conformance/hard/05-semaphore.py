# Semaphore: a unit is handed over, given back by a cancelled owner-to-be, and no newcomer overtakes
async def use(s, n):
    try: await s.acquire(); say(n, 'has a unit', s.locked())
    except CancelledError: say(n, 'cancelled'); raise
async def main():
    s = Semaphore(0); a, b, c = [create_task(use(s, n)) for n in 'abc']; await sleep(1)
    s.release(); say('locked after release', s.locked(), s._value)
    a.cancel(); d = create_task(use(s, 'd')); await sleep(1)
    s.release(); s.release(); b2 = create_task(use(s, 'e'))
    await sleep(1); say(s._value, s.locked(), [t.done() for t in (a, b, c, d, b2)])
    s.release(); await b2
    z = BoundedSemaphore(1); await z.acquire(); w = create_task(use(z, 'w')); await sleep(0)
    z.release(); say('handed over', z._value); await w; z.release()
    try: z.release()
    except ValueError as err: say(err)
