# Timeout against a foreign cancel in one iteration: the foreign one wins in both orders
async def body():
    try:
        async with timeout(1): await sleep(9)
    except TimeoutError: return 'timed out'
async def main():
    loop = get_running_loop()
    at(1, lambda: t.cancel('foreign')); t = create_task(body()); await end(t, 'cancel, then deadline'); say(t.cancelling())
    t = create_task(body()); await sleep(0); at(2, t.cancel, 'foreign'); await end(t, 'deadline, then cancel'); say(t.cancelling())
    async def late():
        try: await body()
        finally: say('in finally', current_task().cancelling())
    t = create_task(late()); await sleep(2); say(t.done(), t.cancel('too late'))
    async def before():
        current_task().cancel('pending'); r = None
        async with timeout(1) as cm: await sleep(9)
    await end(create_task(before()), 'cancel pending at entry')
