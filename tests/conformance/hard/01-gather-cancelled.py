# Gather: a cancelled gathering ends with its first cancelled child, or (return_exceptions) with its last
async def child(n, d):
    try: await sleep(100)
    finally: await sleep(d); say('child', n, 'cleaned up')
async def main():
    for flag in False, True:
        g = gather(child('a', 1), child('b', 5), return_exceptions=flag)
        at(get_running_loop().time() + 1, g.cancel, 'stop')
        await end(g, f'gather {flag}')
        say('cancelled()', g.cancelled(), 'again', g.cancel())
        await sleep(10)
    async def stubborn():
        try: await sleep(100)
        except CancelledError: return 'no'
    g = gather(stubborn(), stubborn(), return_exceptions=True)
    await sleep(1); say(g.cancel('x')); await end(g, 'stubborn children')
