# Lock: the woken waiter is cancelled; the next one runs, and the newcomer does not overtake
async def use(lock, n):
    try:
        async with lock: say(n, 'in'); await sleep(1)
    except CancelledError: say(n, 'cancelled, locked', lock.locked()); raise
async def main():
    lock = Lock(); await lock.acquire()
    b, c, d = [create_task(use(lock, n)) for n in 'bcd']; await sleep(1)
    lock.release(); say('released', lock.locked())
    b.cancel(); e = create_task(use(lock, 'e'))
    await wait([b, c, d, e])
    await lock.acquire(); x = create_task(use(lock, 'x')); await sleep(0); x.cancel()
    lock.release(); await end(lock.acquire(), 'all waiters cancelled: at once'); await sleep(0)
    try: lock.release(); lock.release()
    except RuntimeError as err: say(err)
