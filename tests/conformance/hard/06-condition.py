# Condition: a cancelled waiter holds the lock when it ends, keeps the last message, passes its notification on
async def waiter(c, n):
    async with c:
        try: await c.wait(); say(n, 'woken')
        except CancelledError as e: say(n, e.args, 'lock held', c.locked()); raise
async def main():
    c = Condition(); a, b = create_task(waiter(c, 'a')), create_task(waiter(c, 'b')); await sleep(1)
    await c.acquire(); c.notify(); await sleep(1)
    a.cancel('one'); await sleep(1); a.cancel('two'); await sleep(1)
    say('a done', a.done(), 'cancelling', a.cancelling()); c.release()
    await end(a, 'a'); await end(wait_for(b, 1), 'b')
    try: c.notify()
    except RuntimeError as e: say(e)
    await end(c.wait(), 'without the lock')
