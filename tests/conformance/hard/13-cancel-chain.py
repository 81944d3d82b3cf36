# Cancel goes down a chain; below may refuse; the flag and the count are two things
async def below(kind):
    try: await sleep(9)
    except CancelledError:
        if kind == 'refuses': return 'refused'
        if kind == 'other': raise ValueError('instead')
        await sleep(2); raise
async def above(kind): return await create_task(below(kind))
async def selfcancel(un, wait):
    t = current_task(); t.cancel('self')
    if un: say('uncancel', t.uncancel())
    await nothing; say('a done future delivers no cancel')
    if wait: await sleep(0)
    return 'end'
async def main():
    global nothing; nothing = get_running_loop().create_future(); nothing.set_result(None)
    for k in 'refuses', 'other', 'slow':
        t = create_task(above(k)); await sleep(1); t.cancel(k); await end(t, k); say(t.cancelled(), t.cancelling())
    for un in False, True:
        for w in False, True: await end(create_task(selfcancel(un, w)), f'uncancel {un} await {w}')
    f = get_running_loop().create_future(); t = create_task(wait_for(f, None)); await sleep(0)
    f.set_result('R'); say(t.cancel('after the result')); await end(t, 'woken, then cancelled'); say(f.result())
    t = create_task(below('slow')); await sleep(0); t.cancel('a'); await sleep(1); t.cancel('b'); await end(t, 'cancelled in its cleanup')
