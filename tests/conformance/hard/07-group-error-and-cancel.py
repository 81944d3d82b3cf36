# TaskGroup: a child's error and a foreign cancel meet: the group is thrown, the cancel stays and strikes next
async def boom(t): await sleep(t); raise ValueError(t)
async def body(n):
    try:
        async with TaskGroup() as tg: tg.create_task(boom(1)); tg.create_task(boom(1)); await sleep(9)
    except* ValueError as g: say(n, [e.args for e in g.exceptions], 'cancelling', current_task().cancelling())
    try: await sleep(1); say(n, 'went on')
    except CancelledError as e: say(n, 'cancelled at its next await', e.args); raise
async def main():
    await end(create_task(body('alone')), 'alone')
    for n, passes in ('cancel before the errors', 0), ('cancel after the errors', 2):
        t = create_task(body(n))
        for _ in range(passes): await sleep(0)
        at(get_running_loop().time() + 1, lambda: t.cancel('foreign'))
        await end(t, n); say(t.cancelling())
    async def swallower():
        async with TaskGroup() as tg:
            tg.create_task(boom(1))
            try: await sleep(9)
            except CancelledError: say('swallowed', tg, current_task().cancelling()); await sleep(1)
            try: tg.create_task(c := sleep(1))
            except RuntimeError as e: say(e)
    try: await swallower()
    except* ValueError: say('thrown all the same', current_task().cancelling())
