# Timeout: nested deadlines, equal deadlines, a swallowing body, rescheduling, deadlines in the past
async def nest(outer, inner):
    async with timeout(outer) as o:
        try:
            async with timeout(inner) as i: await sleep(9)
        except TimeoutError: say('inner', o.expired(), i.expired(), current_task().cancelling()); await sleep(9)
        except CancelledError: say('through inner', o.expired(), i.expired(), current_task().cancelling()); raise
async def swallow():
    async with timeout(1) as cm:
        try: await sleep(9)
        except CancelledError: say(cm.expired(), cm); await sleep(1)
    return cm.expired(), current_task().cancelling()
async def past(n):
    async with timeout(-1) as cm:
        say('body runs', cm.when())
        for _ in range(n): await sleep(0)
        return 'no suspension, no error'
async def main():
    for o, i in (1, 2), (2, 1), (1, 1): await end(nest(o, i), f'outer {o} inner {i}')
    await end(swallow(), 'swallow')
    async with timeout(1) as cm: at(get_running_loop().time() + 1, cm.reschedule, None); cm.reschedule(cm.when()); await sleep(2)
    say(cm, cm.when(), current_task().cancelling())
    await end(past(0), 'past'); await end(past(1), 'past'); say(current_task().cancelling())
    try: cm.reschedule(1)
    except RuntimeError as e: say(e)
