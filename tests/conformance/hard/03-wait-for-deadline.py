# Wait_for: what is set at the very instant of the deadline is lost for the waiter, and for nobody else
async def main():
    loop = get_running_loop()
    f = loop.create_future(); at(1, f.set_result, 'R')
    await end(wait_for(f, 1), 'future'); say(f)
    q = Queue(); at(2, q.put_nowait, 'item')
    await end(wait_for(q.get(), 1), 'queue'); say('left in the queue', q.qsize())
    lock = Lock(); await lock.acquire(); at(3, lock.release)
    await end(wait_for(lock.acquire(), 1), 'lock'); say('locked', lock.locked())
    async def late():
        try: await sleep(9)
        except CancelledError: await sleep(2); return 'answer to the cancel'
    await end(wait_for(late(), 1), 'swallowed')
    async def inner(): say('a line of inner')
    await end(wait_for(inner(), 0), 'zero'); await end(wait_for(f, -1), 'done future, -1')
