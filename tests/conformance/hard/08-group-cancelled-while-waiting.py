# TaskGroup: cancelled while it waits for children that clean up slowly, then again; a cancelled child is fine
async def slow():
    try: await sleep(99)
    finally:
        try: await sleep(3); say('child clean')
        except CancelledError: say('cleanup interrupted'); raise
async def body():
    tg = TaskGroup()
    try:
        async with tg: tg.create_task(slow()); child = tg.create_task(slow())
    except CancelledError as e: say('body', e.args, tg, child.cancelling()); raise
async def main():
    t = create_task(body()); await sleep(1)
    t.cancel('one'); await sleep(1); t.cancel('two'); await end(t, 'task'); say(t.cancelling())
    async with TaskGroup() as tg:
        tg.create_task(sleep(5)).cancel(); tg.create_task(sleep(2)); await sleep(1); say(tg)
        async def grow(): await sleep(2); tg.create_task(sleep(1)); say('a child makes a child')
        tg.create_task(grow())
    say(tg)
    try: tg.create_task(c := sleep(1))
    except RuntimeError as e: say(e)
