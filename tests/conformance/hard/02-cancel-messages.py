# Cancel messages: two requests, one error; the text is handed out once by a task, always by a future
async def victim():
    try: await sleep(9)
    except CancelledError as e: say('victim sees', e.args, current_task().cancelling()); raise
async def main():
    t = create_task(victim()); await sleep(1)
    say(t.cancel('first'), t.cancel('second'), t.cancelling())
    for i in 1, 2: await end(t, f'task, look {i}')
    f = get_running_loop().create_future(); f.cancel('f')
    for i in 1, 2: await end(f, f'future, look {i}')
    async def chain(x): await x
    deep = create_task(victim()); top = create_task(chain(create_task(chain(deep))))
    await sleep(1); top.cancel('down'); await end(top, 'top')
    say(top.cancelling(), deep.cancelling(), top.cancelled(), t.cancel('late'), t.cancelling())
