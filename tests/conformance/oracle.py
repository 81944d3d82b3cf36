"""CPython's own asyncio on a virtual clock: the reference that every trace is compared with.

Patched, and nothing else: timers of one instant run in the order of their creation (CPython's heap is unstable
there), and the sets whose order a program can see keep the order of insertion.
"""

import asyncio
import collections.abc
import contextlib
import contextvars
import gc
import inspect
import io
import itertools
import sys
import warnings
from asyncio import events, taskgroups, tasks

warnings.simplefilter('ignore')
# Cancelling a circle of tasks and gatherings recurses without end: Python's error comes before WebAssembly's, which is
# the end of the interpreter.
sys.setrecursionlimit(200)
# The host of this interpreter has a loop of its own, which counts as running; here every program brings its own.
asyncio._set_running_loop(None)


class OrderedSet(collections.abc.MutableSet):
    """A set in the order of insertion."""

    def __init__(self, items=()):
        self._items = dict.fromkeys(items)

    def __contains__(self, item):
        return item in self._items

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)

    def add(self, item):
        self._items[item] = None

    def discard(self, item):
        self._items.pop(item, None)


_sequence = itertools.count()


class SequencedTimerHandle(events.TimerHandle):
    __slots__ = ('_sequence',)

    def __init__(self, when, callback, args, loop, context=None):
        super().__init__(when, callback, args, loop, context)
        self._sequence = next(_sequence)

    def __lt__(self, other):
        return (self._when, self._sequence) < (other._when, other._sequence)


def _ordered_all_tasks(loop=None):
    if loop is None:
        loop = events.get_running_loop()
    known = _all_tasks(loop)
    ordered = OrderedSet(task for task in loop.created if task in known)
    for task in known:  # those in their eager first step, which the loop has not handed out yet
        ordered.add(task)
    return ordered


def _group_init(self):
    _original_group_init(self)
    self._tasks = OrderedSet()


_all_tasks = tasks.all_tasks
_original_group_init = taskgroups.TaskGroup.__init__
events.TimerHandle = SequencedTimerHandle
tasks.set = OrderedSet  # the name that wait() and as_completed() look up
tasks.all_tasks = asyncio.all_tasks = _ordered_all_tasks
taskgroups.TaskGroup.__init__ = _group_init

_comprehension = '{ensure_future(aw, loop=loop) for aw in set(aws)}'
_source = inspect.getsource(tasks._AsCompletedIterator)
assert _comprehension in _source
exec(_source.replace(_comprehension, f'set([{_comprehension[1:-1]}])'), tasks.__dict__)


class Deadlock(RuntimeError):
    """Nothing is ready, nothing is timed: nobody can ever wake the loop."""


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.created = []
        self._selector = self

    def time(self):
        return self.now

    def select(self, timeout):
        if timeout is None:
            raise Deadlock
        self.now += timeout
        return ()

    def create_task(self, coro, **kwargs):
        task = super().create_task(coro, **kwargs)
        self.created.append(task)
        return task

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass


def run_source(source):
    """Run the text of a program that defines main() (and perhaps after()); what it printed, line by line."""
    out = io.StringIO()
    namespace = {'__name__': 'program'}
    with contextlib.redirect_stdout(out):
        exec(PRELUDE, namespace)
        exec(source, namespace)
        try:
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                result = runner.run(namespace['main']())
        except BaseException as error:
            print('run:', type(error).__name__, error.args)
        else:
            if result is not None:
                print('run: returned', repr(result))
        if 'after' in namespace:
            namespace['after']()
    return out.getvalue().splitlines()


PRELUDE = '''
from asyncio import *
import contextvars
def say(*a): print(f'{get_running_loop().time():g}', *a)
async def end(aw, label):
    try: say(label, 'returned', repr(await aw))
    except BaseException as e: say(label, type(e).__name__, e.args)
def at(t, f, *a): get_running_loop().call_at(t, f, *a)
'''
