"""The statements about locks, events, conditions, semaphores, barriers and queues. primitives.ts is its twin."""

import re

# Locks print their address.
ADDRESS = re.compile(r'<[\w.]*?(\w+) object at 0x[0-9a-f]+ ')


def text(primitive):
    if isinstance(primitive, asyncio.Queue):
        # The other side cuts the text of many items.
        return str(primitive) if primitive.qsize() <= 6 else 'many items'
    return ADDRESS.sub(r'<\1 ', repr(primitive))


CALLS = {
    'release': lambda p, st: p.release(),
    'locked': lambda p, st: p.locked(),
    'set': lambda p, st: p.set(),
    'clear': lambda p, st: p.clear(),
    'is_set': lambda p, st: p.is_set(),
    'notify': lambda p, st: p.notify(st.get('n', 1)),
    'notify_all': lambda p, st: p.notify_all(),
    'n_waiting': lambda p, st: p.n_waiting,
    'broken': lambda p, st: p.broken,
    'put_nowait': lambda p, st: p.put_nowait(st['item']),
    'get_nowait': lambda p, st: p.get_nowait(),
    'task_done': lambda p, st: p.task_done(),
    'shutdown': lambda p, st: p.shutdown(st.get('immediate', False)),
    'qsize': lambda p, st: p.qsize(),
    'empty': lambda p, st: p.empty(),
    'full': lambda p, st: p.full(),
    'text': lambda p, st: text(p),
}


class Primitives:
    """A part of Machine."""

    def __init__(self):
        self.primitives = []
        self.cells = {}

    def do_primitive(self, st):
        make = getattr(asyncio, st['type'])
        if st['type'] == 'Condition':
            lock = self.get(st.get('lock'), 'p')
            arguments = () if lock is None else (lock.obj,)
        else:
            arguments = () if st.get('n') is None else (st['n'],)

        def create():
            primitive = make(*arguments)
            self.primitives.append(primitive)
            self.put(st['s'], primitive, None, 'p')

        self.attempt(f"new {st['s']}", create)

    def do_call(self, st):
        slot = self.get(st['p'], 'p')
        if slot is None:
            return self.say('skip')
        self.attempt(f"{st['p']}.{st['op']}", lambda: CALLS[st['op']](slot.obj, st), st.get('loud'))

    def do_cell(self, st):
        self.cells[st['s']] = st['v']

    def operation(self, st):
        """A coroutine of the primitive."""
        p = self.get(st['p'], 'p').obj
        op = st['op']
        if op == 'put':
            return p.put(st['item'])
        if op == 'wait_for':
            return p.wait_for(self.predicate(st['predicate']))
        if isinstance(p, asyncio.Barrier) and op == 'wait' and not st.get('index'):
            return self.arrive(p)
        return getattr(p, op)()

    async def arrive(self, barrier):
        await barrier.wait()

    def predicate(self, st):
        calls = 0

        def predicate():
            nonlocal calls
            calls += 1
            value = self.cells.get(st['cell'], 0)
            if calls >= st['n']:
                if st.get('e') is not None:
                    raise ERRORS[st['e']]('predicate')
                value = value or 'enough'
            self.say(f"predicate {st['cell']} {self.fmt(value)}")
            return value

        return predicate

    async def do_with(self, st, node):
        slot = self.get(st['p'], 'p')
        if slot is None:
            return self.say('skip')
        try:
            async with slot.obj:
                self.say(f"in {st['p']}")
                return await self.block(st['block'], node)
        finally:
            self.say(f"out of {st['p']}")

    async def do_items(self, st, node):
        slot = self.get(st['p'], 'p')
        if slot is None:
            return self.say('skip')
        n = 0
        while n != st.get('n'):
            try:
                item = await slot.obj.get()
            except asyncio.QueueShutDown:
                break
            self.say(f"item {self.fmt(item)}")
            returned = await self.block(st.get('block', ()), node)
            if returned is not None:
                return returned
            n += 1
        self.say(f'items {n}')

    # Who waits for ever is let go

    def sweep_primitives(self):
        for p in self.primitives:
            if isinstance(p, asyncio.Event):
                p.set()
            elif isinstance(p, asyncio.Condition):
                self.sweep_condition(p)
            elif isinstance(p, asyncio.Barrier):
                self.loop.create_task(p.abort(), name='sweep')
            elif isinstance(p, asyncio.Queue):
                self.sweep_queue(p)
            elif p.locked():
                for _ in range(1 if isinstance(p, asyncio.Lock) else 8):
                    self.quietly(p.release)

    def sweep_condition(self, condition):
        if condition.locked():
            condition.notify_all()
            condition.release()
        else:
            self.loop.create_task(self.notify_all(condition), name='sweep')

    async def notify_all(self, condition):
        async with condition:
            condition.notify_all()

    def sweep_queue(self, queue):
        queue.shutdown()
        for _ in range(20):
            self.quietly(queue.task_done)

    def quietly(self, action):
        try:
            action()
        except (RuntimeError, ValueError):
            pass
