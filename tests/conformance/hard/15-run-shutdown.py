# Run: the shutdown: each task cancelled once and waited for, errors told, late births left alone; asyncgens last
async def keeper(n, d):
    global late
    try: await sleep(99)
    except CancelledError as e: say(n, 'cancelled', e.args); await sleep(d); say(n, 'ends'); late = create_task(sleep(9))
async def fails():
    try: await sleep(99)
    finally: raise ValueError('in cleanup')
async def agen():
    try: yield 1; yield 2
    finally: await sleep(1); say('agen closed')
async def main():
    get_running_loop().set_exception_handler(lambda l, c: print('HANDLER', c['message'], repr(c.get('exception'))))
    global keep; keep = [create_task(c) for c in (keeper('k1', 2), keeper('k2', 1), fails())]
    global g; g = agen(); say(await anext(g)); await sleep(1)
    current_task().cancel('me'); say('main goes on'); return 'dropped, since the flag is set'
def after(): print('late birth done:', late.done(), [t.cancelled() for t in keep])
