"""Runs the programs of ast.ts as real coroutines of CPython. machine.ts is its twin: change both together."""

import json

STEP_LIMIT = 400
WATCHDOG = 40


class CustomError(Exception):
    pass


class Stopped(BaseException):
    """The program is over; what the garbage collector still wakes must not run on."""


class Return:
    __slots__ = ('value',)

    def __init__(self, value):
        self.value = value


ERRORS = {
    'ValueError': ValueError,
    'RuntimeError': RuntimeError,
    'CustomError': CustomError,
    'CancelledError': asyncio.CancelledError,
    'TimeoutError': TimeoutError,
    'SystemExit': SystemExit,
    'KeyboardInterrupt': KeyboardInterrupt,
}

CATCH = {
    'cancel': asyncio.CancelledError,
    'timeout': TimeoutError,
    'value': ValueError,
    'group': BaseExceptionGroup,
    'exc': Exception,
    'base': BaseException,
}


class Node:
    """A vertex of the graph of waits; an await that would close a cycle (and hang) is left out."""

    __slots__ = ('deps',)

    def __init__(self, deps=()):
        self.deps = list(deps)

    def reaches(self, target):
        seen = set()
        todo = [self]
        while todo:
            node = todo.pop()
            if node is target:
                return True
            if id(node) not in seen:
                seen.add(id(node))
                todo.extend(node.deps)
        return False


class Slot:
    __slots__ = ('obj', 'node', 'kind')

    def __init__(self, obj, node, kind):
        self.obj = obj
        self.node = node
        self.kind = kind


def short(text):
    """Texts of tasks and futures hold addresses and positions: cut. Those of task groups are compared."""
    if '<TaskGroup' in text:
        return text
    start, end = text.find('<'), text.rfind('>')
    return text if start < 0 or end < start else text[:start] + '<>' + text[end + 1:]


class Machine(Primitives):
    def __init__(self, program):
        super().__init__()
        self.program = program
        self.trace = []
        self.reports = []
        self.slots = {}
        self.labels = {}
        self.errors = {}
        self.callbacks = {}
        self.futures_made = []
        self.steps = 0
        self.sweeps = 0
        self.closed = False
        self.main_number = None
        self.loop = None
        self.vars = [contextvars.ContextVar(f'v{i}', default='-') for i in range(program['vars'])]

    # What is written down

    def who(self):
        try:
            task = asyncio.current_task(self.loop)
        except RuntimeError:
            return '-'
        return '-' if task is None else self.name_of(task)

    def name_of(self, task):
        name = task.get_name()
        if name.startswith('Task-') and self.main_number is not None:
            return f'#{int(name[5:]) - self.main_number}'
        return name

    def say(self, text):
        if not self.closed:
            self.trace.append(f'{self.loop.time():g} {self.who()} {text}')

    def fmt(self, value):
        if isinstance(value, BaseException):
            return self.error(value)
        if isinstance(value, (list, tuple, OrderedSet)):
            return '[' + ', '.join(self.fmt(v) for v in value) + ']'
        if isinstance(value, asyncio.Future):
            return self.labels.get(id(value), ('?',))[0]
        if isinstance(value, float):
            return f'{value:g}'
        return str(value)

    def error(self, error):
        number = self.errors.setdefault(id(error), (len(self.errors), error))[0]
        return f'{self.describe(error, self.error)}#{number}'

    def describe(self, error, inner):
        if isinstance(error, BaseExceptionGroup):
            return f'{type(error).__name__}({error.message}, [' + ', '.join(inner(e) for e in error.exceptions) + '])'
        text = f'{type(error).__name__}({short(str(error))})'
        if isinstance(error, TimeoutError) and error.__cause__ is not None:
            text += '<-' + inner(error.__cause__)
        return text

    def plain(self, error):
        return self.describe(error, self.plain)

    def attempt(self, label, action, loud=False):
        try:
            result = action()
        except Exception as error:
            self.say(f'{label} ! {self.error(error)}')
            if loud:
                raise
        else:
            self.say(f'{label} -> {self.fmt(result)}')

    def on_exception(self, loop, context):
        message, error = context['message'], context.get('exception')
        if 'never retrieved' in message or 'was destroyed' in message:
            self.reports.append(message if error is None else f'{message} {self.plain(error)}')
            return
        if message.startswith('Exception in callback'):
            message = 'Exception in callback'
        self.say(f'handler {short(message)} {self.fmt(error)}')

    # Slots

    def put(self, name, obj, node, kind):
        if name is None:
            return
        self.slots[name] = Slot(obj, node, kind)
        if isinstance(obj, asyncio.Future):
            self.labels.setdefault(id(obj), (name, obj))

    def get(self, name, kinds):
        slot = self.slots.get(name)
        return slot if slot is not None and slot.kind in kinds else None

    # Coroutines and awaitables

    def make_coro(self, coro, node):
        k = coro['k']
        if k == 'body':
            return self.body(coro['block'], node)
        if k == 'sleep':
            return asyncio.sleep(coro['d'], coro.get('r'))
        if k == 'wait_for':
            return asyncio.wait_for(self.make_aw(coro['aw'], node)[0], coro['t'])
        if k == 'op':
            return self.operation(coro)
        futures = self.futures(coro['fs'])
        return asyncio.wait([s.obj for s in futures], timeout=coro.get('t'), return_when=coro['rw'])

    def make_task_coro(self, coro):
        """A coroutine that becomes a task, and its vertex."""
        node = Node(self.slot_nodes(coro))
        return self.make_coro(coro, node), node

    def futures(self, names):
        return [s for s in (self.get(name, 'f') for name in names) if s is not None]

    def slot_nodes(self, aw):
        """The vertices of everything that exists already and is waited for by `aw` itself."""
        k = aw['k']
        if k == 'slot':
            return [s.node for s in self.futures([aw['s']])]
        if k in ('wait_for', 'shield'):
            return self.slot_nodes(aw['aw'])
        if k == 'gather':
            return [n for a in aw['aws'] for n in self.slot_nodes(a)]
        if k == 'wait':
            return [s.node for s in self.futures(aw['fs'])]
        return []

    def complete(self, aw):
        """Whether every slot that `aw` names is filled."""
        k = aw['k']
        if k == 'slot':
            return self.get(aw['s'], 'f') is not None
        if k == 'op':
            return self.get(aw['p'], 'p') is not None
        if k in ('wait_for', 'shield'):
            return self.complete(aw['aw'])
        if k == 'gather':
            return all(self.complete(a) for a in aw['aws'])
        return True

    def make_aw(self, aw, node):
        """An awaitable, and the vertices that whoever awaits it waits for. `node` runs what is awaited inline."""
        k = aw['k']
        if k == 'slot':
            slot = self.get(aw['s'], 'f')
            return slot.obj, [slot.node]
        if k == 'gather':
            children, nodes = self.make_list(aw['aws'])
            future = asyncio.gather(*children, return_exceptions=aw.get('re', False))
            gathered = Node(nodes)
            self.put(aw.get('s'), future, gathered, 'f')
            return future, [gathered]
        if k == 'shield':
            inner, nodes = self.make_item(aw['aw'])
            future = asyncio.shield(inner)
            outer = Node(nodes)
            self.put(aw.get('s'), future, outer, 'f')
            return future, [outer]
        return self.make_coro(aw, node), self.slot_nodes(aw)

    def make_item(self, aw):
        """Something for gather() and its like, which make a task of a coroutine."""
        if aw['k'] in ('slot', 'gather', 'shield'):
            return self.make_aw(aw, None)
        coro, node = self.make_task_coro(aw)
        return coro, [node]

    def make_list(self, aws):
        items, nodes = [], []
        for aw in aws:
            if aw['k'] == 'dup':
                items.append(items[aw['i']])
            else:
                item, more = self.make_item(aw)
                items.append(item)
                nodes.extend(more)
        return items, nodes

    async def body(self, block, node):
        self.say('begin')
        returned = await self.block(block, node)
        return None if returned is None else returned.value

    async def waiting(self, node, deps, coro):
        """Awaits with the waits written into the graph."""
        count = len(deps)
        node.deps.extend(deps)
        try:
            return await coro
        finally:
            for dep in deps[:count]:
                node.deps.remove(dep)

    def refused(self, aw, node, itself=False):
        if not self.complete(aw):
            self.say('skip')
            return True
        # A task that awaits itself does not hang: it gets an error.
        own = itself and aw['k'] == 'slot' and self.get(aw['s'], 'f').node is node
        if not own and any(n.reaches(node) for n in self.slot_nodes(aw)):
            self.say('refused')
            return True
        return False

    # Statements

    async def block(self, block, node):
        for statement in block:
            if self.closed:
                raise Stopped
            self.steps += 1
            if self.steps > STEP_LIMIT:
                return None
            k = statement['k']
            sync = SYNC.get(k)
            if sync is not None:
                sync(self, statement)
            else:
                returned = await ASYNC[k](self, statement, node)
                if returned is not None:
                    return returned
        return None

    def run_sync(self, block):
        for statement in block:
            if self.closed:
                raise Stopped
            self.steps += 1
            if self.steps > STEP_LIMIT:
                return
            SYNC[statement['k']](self, statement)

    def do_log(self, st):
        self.say(f"log {self.fmt(st['v'])}")

    def options(self, st):
        options = {}
        if st.get('name') is not None:
            options['name'] = st['name']
        if st.get('eager') is not None:
            options['eager_start'] = st['eager']
        if st.get('ctx') is not None:
            slot = self.get(st['ctx'], 'c')
            if slot is not None:
                options['context'] = slot.obj
        return options

    def do_spawn(self, st):
        if not self.complete(st['coro']):
            return self.say('skip')
        coro, node = self.make_task_coro(st['coro'])
        if st.get('ensure'):
            task = asyncio.ensure_future(coro, loop=self.loop)
        else:
            task = self.loop.create_task(coro, **self.options(st))
        self.put(st['s'], task, node, 'f')
        self.say(f"spawn {st['s']} {self.name_of(task)} {task.done()}")

    def do_future(self, st):
        future = self.loop.create_future()
        self.futures_made.append(future)
        self.put(st['s'], future, Node(), 'f')

    def do_make(self, st):
        if not self.complete(st['aw']):
            return self.say('skip')
        future, nodes = self.make_item(st['aw'])
        self.put(st['s'], future, nodes[0], 'f')
        self.say(f"make {st['s']} {future.done()}")

    def do_cancel(self, st):
        slot = self.get(st['s'], 'f')
        if slot is None:
            return self.say('skip')
        self.attempt(f"cancel {st['s']}", lambda: slot.obj.cancel(st.get('msg')))

    def do_cancel_self(self, st):
        task = asyncio.current_task(self.loop)
        if task is not None:
            self.attempt('cancel self', lambda: task.cancel(st.get('msg')))

    def do_uncancel(self, st):
        task = self.task(st.get('s'))
        if task is not None:
            self.attempt('uncancel', task.uncancel)

    def task(self, name):
        if name is None:
            return asyncio.current_task(self.loop)
        slot = self.get(name, 'f')
        return slot.obj if slot is not None and isinstance(slot.obj, asyncio.Task) else None

    def state(self, future):
        word = 'cancelled' if future.cancelled() else 'done' if future.done() else 'pending'
        return f'{word} {future.cancelling()}' if isinstance(future, asyncio.Task) else word

    def do_query(self, st):
        slot = self.get(st['s'], 'f')
        if slot is None:
            return self.say('skip')
        self.say(f"state {st['s']} {self.state(slot.obj)}")
        if st['how'] == 'state':
            return
        try:
            value = slot.obj.result() if st['how'] == 'result' else slot.obj.exception()
        except BaseException as error:
            self.say(f"{st['how']} ! {self.error(error)}")
        else:
            self.say(f"{st['how']} -> {self.fmt(value)}")

    def do_set(self, st):
        slot = self.get(st['s'], 'f')
        if slot is None or (st.get('guard') and slot.obj.done()):
            return self.say('skip')
        self.attempt(f"set {st['s']}", lambda: slot.obj.set_result(st['v']), st.get('loud'))

    def do_fail(self, st):
        slot = self.get(st['s'], 'f')
        if slot is None or (st.get('guard') and slot.obj.done()):
            return self.say('skip')
        error = ERRORS[st['e']](st['v'])
        self.attempt(f"fail {st['s']}", lambda: slot.obj.set_exception(error), st.get('loud'))

    def handle(self, st, schedule):
        context = self.get(st['ctx'], 'c') if st.get('ctx') is not None else None
        if context is None:
            handle = schedule(self.run_sync, st['do'])
        else:
            handle = schedule(self.run_sync, st['do'], context=context.obj)
        if st.get('s') is not None:
            self.put(st['s'], handle, None, 'h')

    def do_soon(self, st):
        self.handle(st, self.loop.call_soon)

    def do_later(self, st):
        self.handle(st, lambda *a, **k: self.loop.call_later(st['d'], *a, **k))

    def do_at(self, st):
        self.handle(st, lambda *a, **k: self.loop.call_at(st['t'], *a, **k))

    def do_cancel_handle(self, st):
        slot = self.get(st['s'], 'h')
        if slot is None:
            return self.say('skip')
        slot.obj.cancel()
        self.say(f"handle {st['s']} {slot.obj.cancelled()}")

    def do_add_cb(self, st):
        slot = self.get(st['s'], 'f')
        if slot is None:
            return self.say('skip')
        tag = st['tag']

        def callback(future):
            self.say(f'cb {tag} {self.fmt(future)} {self.state(future)}')
            self.run_sync(st.get('do', ()))

        # The same function for the same tag and actions, so that it can be registered and removed several times.
        callback = self.callbacks.setdefault(tag, callback)
        context = self.get(st['ctx'], 'c') if st.get('ctx') is not None else None
        if context is None:
            slot.obj.add_done_callback(callback)
        else:
            slot.obj.add_done_callback(callback, context=context.obj)

    def do_remove_cb(self, st):
        slot, callback = self.get(st['s'], 'f'), self.callbacks.get(st['tag'])
        if slot is None or callback is None:
            return self.say('skip')
        self.attempt(f"remove {st['tag']}", lambda: slot.obj.remove_done_callback(callback))

    def do_callbacks(self, st):
        slot = self.get(st['s'], 'f')
        if slot is None:
            return self.say('skip')
        # Those that keep the call graph are no waits.
        count = sum(getattr(cb, '__name__', '') != '_clear_awaited_by_callback' for cb, _ in slot.obj._callbacks or ())
        self.say(f"callbacks {st['s']} {count}")

    def do_reschedule(self, st):
        slot = self.get(st['s'], 'm')
        if slot is None:
            return self.say('skip')
        when = None if st['d'] is None else self.loop.time() + st['d']
        self.attempt(f"reschedule {st['s']}", lambda: slot.obj.reschedule(when))

    def do_when(self, st):
        slot = self.get(st['s'], 'm')
        if slot is None:
            return self.say('skip')
        self.say(f"when {st['s']} {self.fmt(slot.obj.when())} {slot.obj.expired()}")

    def do_tg_spawn(self, st):
        group = self.get(st['g'], 'g')
        if group is None or not self.complete(st['coro']):
            return self.say('skip')
        deps = self.slot_nodes(st['coro'])
        if any(dep.reaches(group.node) for dep in deps):
            return self.say('refused')
        coro, node = self.make_task_coro(st['coro'])

        def create():
            group.node.deps.append(node)
            task = group.obj.create_task(coro, **self.options(st))
            self.put(st['s'], task, node, 'f')
            return task.done()

        self.attempt(f"tg_spawn {st['s']}", create, st.get('loud'))

    def do_tg_show(self, st):
        group = self.get(st['g'], 'g')
        self.say('skip' if group is None else f'{group.obj}')

    def do_cv_set(self, st):
        token = self.vars[st['i']].set(st['v'])
        if st.get('tok') is not None:
            self.put(st['tok'], (token, st['i']), None, 'k')

    def do_cv_get(self, st):
        self.say(f"var {st['i']} = {self.fmt(self.vars[st['i']].get())}")

    def do_cv_reset(self, st):
        slot = self.get(st['tok'], 'k')
        if slot is None:
            return self.say('skip')
        token, i = slot.obj
        self.attempt('reset', lambda: self.vars[i].reset(token))

    def do_ctx(self, st):
        self.put(st['s'], contextvars.copy_context(), None, 'c')

    def do_ctx_run(self, st):
        slot = self.get(st['s'], 'c')
        if slot is None:
            return self.say('skip')
        self.attempt('ctx_run', lambda: slot.obj.run(self.run_sync, st['do']))

    def do_set_name(self, st):
        task = self.task(st['s'])
        if task is not None:
            task.set_name(st['name'])

    def do_tasks(self, st):
        self.say('tasks ' + ' '.join(sorted(self.name_of(t) for t in asyncio.all_tasks(self.loop))))

    def do_cancelling(self, st):
        task = asyncio.current_task(self.loop)
        if task is not None:
            self.say(f'cancelling {task.cancelling()}')

    def do_factory(self, st):
        self.loop.set_task_factory(asyncio.eager_task_factory if st['eager'] else None)

    def do_raise(self, st):
        raise ERRORS[st['e']](st['v'])

    async def do_sleep(self, st, node):
        result = await asyncio.sleep(st['d'], st.get('r'))
        self.say(f'slept {self.fmt(result)}')

    async def do_await(self, st, node):
        if self.refused(st['aw'], node, st.get('itself')):
            return
        aw, deps = self.make_aw(st['aw'], node)
        if st.get('s') is not None and isinstance(aw, asyncio.Future):
            self.put(st['s'], aw, deps[0], 'f')
        result = await self.waiting(node, deps, aw)
        self.say(f'await -> {self.fmt(result)}')

    async def do_wait(self, st, node):
        if self.refused(st, node):
            return
        slots = self.futures(st['fs'])
        wait = asyncio.wait([s.obj for s in slots], timeout=st.get('t'), return_when=st['rw'])
        done, pending = await self.waiting(node, [s.node for s in slots], wait)
        self.say(f'wait -> {self.fmt(list(done))} {self.fmt(list(pending))}')

    async def do_wait_for(self, st, node):
        if self.refused(st, node):
            return
        aw, deps = self.make_aw(st['aw'], node)
        result = await self.waiting(node, deps, asyncio.wait_for(aw, st['t']))
        self.say(f'wait_for -> {self.fmt(result)}')

    async def do_timeout(self, st, node):
        manager = (asyncio.timeout_at if st.get('at') else asyncio.timeout)(st['d'])
        self.put(st['s'], manager, None, 'm')
        try:
            async with manager:
                return await self.block(st['block'], node)
        finally:
            self.say(f"timeout {st['s']} over {self.fmt(manager.when())} {manager.expired()}")

    async def do_group(self, st, node):
        group = asyncio.TaskGroup()
        vertex = Node()
        self.put(st['s'], group, vertex, 'g')
        node.deps.append(vertex)
        try:
            async with group:
                return await self.block(st['block'], node)
        finally:
            node.deps.remove(vertex)
            self.say(f"group {st['s']} over {group}")

    async def do_reenter(self, st, node):
        slot = self.get(st['s'], 'mg')
        if slot is None:
            return self.say('skip')
        async with slot.obj:
            self.say('entered again')

    async def do_as_completed(self, st, node):
        if any(self.refused(aw, node) for aw in st['aws']):
            return
        items, nodes = self.make_list(st['aws'])
        iterator = asyncio.as_completed(items, timeout=st.get('t'))
        turns = self.turns if st['mode'] == 'for' else self.async_turns
        return await self.waiting(node, nodes, turns(st, node, iterator))

    async def turns(self, st, node, iterator):
        n = 0
        for aw in iterator:
            try:
                result = await aw
                self.say(f'next -> {self.fmt(result)}')
            except Exception as error:
                self.say(f'next ! {self.error(error)}')
            returned = await self.block(st.get('block', ()), node)
            if returned is not None:
                return returned
            n += 1
            if n == st.get('n'):
                break
        self.say(f'turns {n}')

    async def async_turns(self, st, node, iterator):
        n = 0
        async for future in iterator:
            self.say(f'next {self.fmt(future)} {self.state(future)}')
            returned = await self.block(st.get('block', ()), node)
            if returned is not None:
                return returned
            n += 1
            if n == st.get('n'):
                break
        self.say(f'turns {n}')

    async def do_try(self, st, node):
        try:
            return await self.block(st['block'], node)
        except CATCH.get(st.get('what'), ()) as error:
            self.say(f'caught {self.error(error)}')
            returned = await self.block(st.get('handler', ()), node)
            if returned is not None:
                return returned
            if st.get('then') == 'reraise':
                raise
        finally:
            if st.get('finally') is not None:
                self.say('finally')
                await self.block(st['finally'], node)

    async def do_repeat(self, st, node):
        for _ in range(st['n']):
            returned = await self.block(st['block'], node)
            if returned is not None:
                return returned

    async def do_return(self, st, node):
        return Return(st['v'])

    # The run

    def make_loop(self):
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self.on_exception)
        if self.program['eager']:
            self.loop.set_task_factory(asyncio.eager_task_factory)
        return self.loop

    def sweep(self):
        """Futures that the program forgets are set, and who waits at a primitive is let go, so that it ends."""
        for future in self.futures_made:
            if not future.done():
                future.set_result('late')
        self.sweep_primitives()
        self.sweeps += 1
        if self.sweeps < 20:
            self.loop.call_later(10, self.sweep)

    async def main(self):
        self.main_number = int(asyncio.current_task().get_name()[5:])
        self.loop.call_at(WATCHDOG, self.sweep)
        returned = await self.block(self.program['main'], Node())
        return None if returned is None else returned.value

    def run(self):
        try:
            with asyncio.Runner(loop_factory=self.make_loop) as runner:
                result = runner.run(self.main())
        except BaseException as error:
            end = self.error(error)
        else:
            end = self.fmt(result)
        self.say(f'run {end}')
        for name, slot in sorted(self.slots.items()):
            if slot.kind == 'f':
                self.trace.append(f'end {name} {self.state(slot.obj)}')
            elif slot.kind == 'p':
                self.trace.append(f'end {name} {text(slot.obj)}')
        self.closed = True
        for name in ('slots', 'labels', 'errors', 'callbacks', 'futures_made', 'primitives'):
            getattr(self, name).clear()
        self.loop.created.clear()


def methods(*names):
    return {name: getattr(Machine, f'do_{name}') for name in names}


SYNC = methods(
    'log', 'spawn', 'future', 'make', 'cancel', 'cancel_self', 'uncancel', 'query', 'set', 'fail', 'soon', 'later',
    'at', 'cancel_handle', 'add_cb', 'remove_cb', 'callbacks', 'reschedule', 'when', 'tg_spawn', 'tg_show', 'cv_set',
    'cv_get', 'cv_reset', 'ctx', 'ctx_run', 'set_name', 'tasks', 'cancelling', 'factory', 'raise',
    'primitive', 'call', 'cell',
)
ASYNC = methods(
    'sleep', 'await', 'wait', 'wait_for', 'timeout', 'group', 'reenter', 'as_completed', 'try', 'repeat', 'return',
    'with', 'items',
)


def run_programs(lines):
    """A batch: a line of JSON for each program in, one for each outcome out."""
    outcomes = []
    gc.disable()
    for line in lines.splitlines():
        machine = Machine(json.loads(line))
        machine.run()
        gc.collect()
        machine.reports.sort()
        outcomes.append(json.dumps({'trace': machine.trace, 'reports': machine.reports}))
    return '\n'.join(outcomes)


# The collector, asked after every program, looks at that program's objects alone.
sys.unraisablehook = lambda _: None
gc.collect()
gc.freeze()
