/** What the explorer tries on each primitive: small programs that end, and whose every schedule must be right. */
import type * as Asyncio from 'asyncio-ts';
import type { Simulation } from 'asyncio-ts/testing';
import { inStyle, type Program, type Style } from './styles.ts';

/** A program about one primitive. `asyncio` is the library, or a copy of it with a fault. */
export interface Exploration {
  readonly primitive: string;
  readonly name: string;
  readonly run: (world: World) => void;
}

/** What a scenario works with. */
export class World {
  readonly asyncio: typeof Asyncio;
  readonly sim: Simulation;
  readonly style: Style;

  constructor(asyncio: typeof Asyncio, sim: Simulation, style: Style) {
    this.asyncio = asyncio;
    this.sim = sim;
    this.style = style;
  }

  body<T>(program: Program<T>): () => Asyncio.Body<T> {
    return inStyle(this.style, program);
  }

  spawn<T>(name: string, program: Program<T>, options: { daemon?: boolean; cancellable?: boolean } = {}) {
    return this.sim.spawn(this.body(program), { name, ...options });
  }

  /** Run `program` inside of `what`, a lock or its like. */
  inside<T>(what: Pick<Asyncio.Lock, 'run'>, program: Program<T>): Asyncio.Coroutine<T> {
    return what.run(this.body(program) as () => Promise<T>);
  }
}

/** `program`, whose timeouts are as good as any other end. */
function orTimeout(asyncio: typeof Asyncio, program: Program): Program {
  return function* () {
    try {
      yield* program();
    } catch (error) {
      if (!(error instanceof asyncio.TimeoutError)) throw error;
    }
  };
}

const all: Exploration[] = [];

function scenario(primitive: string, name: string, run: (world: World) => void): void {
  all.push({ primitive, name, run });
}

export const scenarios: readonly Exploration[] = all;

/** Counts who is inside of a section; no more than `limit` may be. */
class Section {
  count = 0;

  constructor(sim: Simulation, limit: number) {
    sim.invariant(`at most ${limit} inside`, () => this.count <= limit);
    sim.atQuiescence(() => this.count === 0);
  }
}

scenario('Lock', 'three tasks take turns', (world) => {
  const { asyncio, sim } = world;
  const lock = new asyncio.Lock();
  sim.watch(lock);
  const section = new Section(sim, 1);
  for (const name of ['a', 'b', 'c']) {
    world.spawn(name, function* () {
      yield world.inside(lock, function* () {
        section.count++;
        try {
          yield sim.step('work');
        } finally {
          section.count--;
        }
      });
    });
  }
});

scenario('Lock', 'a guard is held over a turn of the loop', (world) => {
  const { asyncio, sim } = world;
  const lock = new asyncio.Lock();
  sim.watch(lock);
  const section = new Section(sim, 1);
  for (const name of ['a', 'b', 'c']) {
    world.spawn(name, function* () {
      // The second time at once after the release, while somebody is on the way to it.
      for (let round = 0; round < 2; round++) {
        const guard: Asyncio.Guard = yield lock.acquire();
        section.count++;
        try {
          yield asyncio.sleep(0);
        } finally {
          section.count--;
          guard.release();
        }
      }
    });
  }
});

scenario('Lock', 'a guard releases what it has taken, and only once', (world) => {
  const { asyncio, sim } = world;
  const lock = new asyncio.Lock();
  sim.watch(lock);
  const section = new Section(sim, 1);
  for (const name of ['a', 'b', 'c']) {
    world.spawn(name, function* () {
      const guard: Asyncio.Guard = yield lock.acquire();
      section.count++;
      try {
        yield sim.step('work');
      } finally {
        section.count--;
        guard.release();
        // By now it is another's.
        yield asyncio.sleep(0);
        guard.release();
      }
    });
  }
});

scenario('Lock', 'the limit of a waiter ends when the lock is released', (world) => {
  const { asyncio, sim } = world;
  const lock = new asyncio.Lock();
  sim.watch(lock);
  world.spawn('holder', function* () {
    yield world.inside(lock, function* () {
      yield asyncio.sleep(1);
    });
  });
  for (const name of ['a', 'b']) {
    const program: Program = function* () {
      const guard: Asyncio.Guard = yield asyncio.waitFor(lock.acquire(), 1);
      guard.release();
    };
    world.spawn(name, orTimeout(asyncio, program));
  }
});

scenario('Event', 'set wakes everyone, even if it is cleared at once', (world) => {
  const { asyncio, sim } = world;
  const event = new asyncio.Event();
  for (const name of ['a', 'b']) {
    world.spawn(name, function* () {
      yield event.wait();
    });
  }
  sim.outside('set', () => event.set());
  world.spawn(
    'setter',
    function* () {
      yield sim.step('later');
      event.set();
      event.clear();
      event.set();
    },
    { cancellable: false },
  );
  sim.atQuiescence(() => event.isSet());
});

scenario('Event', 'one set wakes everyone', (world) => {
  const { asyncio, sim } = world;
  const event = new asyncio.Event();
  for (const name of ['a', 'b']) {
    world.spawn(name, function* () {
      yield event.wait();
    });
  }
  sim.outside('set', () => event.set());
});

/** A consumer that counts itself inside of the condition's lock, except while it waits. */
function consumer(
  world: World,
  condition: Asyncio.Condition,
  section: Section,
  items: number[],
): Program<number> {
  return function* () {
    return yield world.inside(condition, function* () {
      section.count++;
      try {
        while (items.length === 0) {
          section.count--;
          try {
            yield condition.wait();
          } finally {
            section.count++;
          }
        }
        return items.shift() as number;
      } finally {
        section.count--;
      }
    });
  };
}

scenario('Condition', 'a notification wakes somebody who can use it', (world) => {
  const { asyncio, sim } = world;
  const condition = new asyncio.Condition();
  const section = new Section(sim, 1);
  const items: number[] = [];
  let waiting = 0;
  for (const name of ['a', 'b']) {
    const consume = consumer(world, condition, section, items);
    world.spawn(
      name,
      function* () {
        waiting++;
        try {
          yield* consume();
        } finally {
          waiting--;
        }
      },
      { daemon: true },
    );
  }
  world.spawn(
    'producer',
    function* () {
      yield world.inside(condition, function* () {
        section.count++;
        items.push(1);
        condition.notify();
        section.count--;
        yield asyncio.sleep(0);
      });
    },
    { cancellable: false },
  );
  sim.atQuiescence(() => !(items.length > 0 && waiting > 0));
  sim.atQuiescence(() => !condition.locked());
});

scenario('Condition', 'a contended lock is taken again', (world) => {
  const { asyncio, sim } = world;
  const condition = new asyncio.Condition();
  const section = new Section(sim, 1);
  const items: number[] = [];
  world.spawn('waiter', consumer(world, condition, section, items));
  world.spawn(
    'other',
    function* () {
      yield world.inside(condition, function* () {
        section.count++;
        items.push(1);
        condition.notifyAll();
        yield sim.step('work');
        section.count--;
      });
    },
    { cancellable: false },
  );
  sim.atQuiescence(() => !condition.locked());
});

scenario('Semaphore', 'three tasks share two permits', (world) => {
  const { asyncio, sim } = world;
  const semaphore = new asyncio.Semaphore(2);
  sim.watch(semaphore);
  const section = new Section(sim, 2);
  for (const name of ['a', 'b', 'c']) {
    world.spawn(name, function* () {
      yield world.inside(semaphore, function* () {
        section.count++;
        try {
          yield sim.step('work');
        } finally {
          section.count--;
        }
      });
    });
  }
});

scenario('Semaphore', 'a permit goes from one to the next', (world) => {
  const { asyncio, sim } = world;
  const semaphore = new asyncio.Semaphore(1);
  sim.watch(semaphore);
  for (const name of ['a', 'b', 'c']) {
    world.spawn(name, function* () {
      const guard: Asyncio.Guard = yield semaphore.acquire();
      try {
        yield asyncio.sleep(0);
      } finally {
        guard.release();
      }
    });
  }
  sim.atQuiescence(() => semaphore.value === 1 && !semaphore.locked());
});

scenario('Semaphore', 'the limit of a waiter ends when a permit comes', (world) => {
  const { asyncio, sim } = world;
  const semaphore = new asyncio.Semaphore(0);
  for (const name of ['a', 'b']) {
    const program: Program = function* () {
      const guard: Asyncio.Guard = yield asyncio.waitFor(semaphore.acquire(), 1);
      guard.release();
    };
    world.spawn(name, orTimeout(asyncio, program));
  }
  world.spawn(
    'giver',
    function* () {
      yield asyncio.sleep(1);
      semaphore.release();
    },
    { cancellable: false },
  );
  sim.atQuiescence(() => semaphore.value === 1 && !semaphore.locked());
});

scenario('Semaphore', 'nobody overtakes', (world) => {
  const { asyncio, sim } = world;
  const semaphore = new asyncio.Semaphore(0);
  const line: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    world.spawn(
      name,
      function* () {
        if (name === 'c') yield sim.step('arrival');
        line.push(name);
        try {
          yield semaphore.acquire();
          if (line[0] !== name && sim.mode === 'faithful') throw new Error(`${name} goes before ${line[0]}`);
        } finally {
          line.splice(line.indexOf(name), 1);
        }
      },
      { daemon: true, cancellable: name === 'b' },
    );
  }
  world.spawn(
    'giver',
    function* () {
      yield sim.step('permits');
      for (let permits = 0; permits < 3; permits++) semaphore.release();
    },
    { cancellable: false },
  );
});

scenario('BoundedSemaphore', 'every permit comes back once', (world) => {
  const { asyncio, sim } = world;
  const semaphore = new asyncio.BoundedSemaphore(1);
  sim.watch(semaphore);
  for (const name of ['a', 'b', 'c']) {
    world.spawn(name, function* () {
      yield world.inside(semaphore, function* () {
        yield sim.step('work');
      });
    });
  }
});

/** A party that notes its position in its round. */
function party(world: World, barrier: Asyncio.Barrier, positions: number[]): Program {
  const { asyncio } = world;
  return function* () {
    try {
      positions.push(yield barrier.wait());
    } catch (error) {
      if (!(error instanceof asyncio.BrokenBarrierError)) throw error;
    }
  };
}

scenario('Barrier', 'who is cancelled does not count, and nobody stays outside', (world) => {
  const { asyncio, sim } = world;
  const barrier = new asyncio.Barrier(2);
  const positions: number[] = [];
  let unfinished = 0;
  for (const name of ['a', 'b', 'c']) {
    world.spawn(name, function* () {
      unfinished++;
      try {
        yield* party(world, barrier, positions)();
      } finally {
        unfinished--;
      }
    });
  }
  world.spawn(
    'last',
    function* () {
      // When nobody else can come; in robust mode, somebody may be on the way.
      yield asyncio.sleep(1);
      if (barrier.nWaiting !== unfinished && sim.mode === 'faithful')
        throw new Error(`${unfinished} wait at ${barrier}`);
      yield barrier.abort();
    },
    { cancellable: false },
  );
  sim.invariant('never more than the parties', () => barrier.nWaiting < 2);
  sim.atQuiescence(() => barrier.broken && barrier.nWaiting === 0);
  sim.atQuiescence(() => new Set(positions).size === positions.length);
});

scenario('Barrier', 'a reset sends away who waits, and then it works', (world) => {
  const { asyncio, sim } = world;
  const barrier = new asyncio.Barrier(2);
  const positions: number[] = [];
  world.spawn('a', party(world, barrier, positions));
  world.spawn(
    'reset',
    function* () {
      yield sim.step('before');
      yield barrier.reset();
      yield barrier.reset();
    },
    { cancellable: false },
  );
  sim.atQuiescence(() => !barrier.broken && barrier.nWaiting === 0 && positions.length === 0);
});

/** What is in the queue; a look that changes nothing. */
function itemsOf<T>(queue: Asyncio.Queue<T>): Iterable<T> {
  return (queue as unknown as { _queue: Iterable<T> })._queue;
}

scenario('Queue', 'the limit of a getter ends when an item comes', (world) => {
  const { asyncio, sim } = world;
  const queue = new asyncio.Queue<number>();
  const ledger = sim.ledger<number>('items', () => itemsOf(queue));
  sim.watch(queue);
  // Its timer is older than that of the limit: the getter is woken, and then its time is up.
  asyncio.getRunningLoop().callLater(1, () => {
    queue.putNowait(1);
    ledger.made(1);
  });
  const limited: Program = function* () {
    ledger.taken(yield asyncio.waitFor(queue.get(), 1));
  };
  world.spawn('limited', orTimeout(asyncio, limited));
  world.spawn(
    'patient',
    function* () {
      ledger.taken(yield queue.get());
    },
    { daemon: true },
  );
});

scenario('Queue', 'somebody takes what a woken getter was woken for', (world) => {
  const { asyncio, sim } = world;
  const queue = new asyncio.Queue<number>();
  const ledger = sim.ledger<number>('items', () => itemsOf(queue));
  sim.watch(queue);
  for (const name of ['a', 'b']) {
    world.spawn(
      name,
      function* () {
        ledger.taken(yield queue.get());
      },
      { daemon: true },
    );
  }
  world.spawn(
    'thief',
    function* () {
      for (const item of [1, 2]) {
        yield asyncio.sleep(0);
        queue.putNowait(item);
        ledger.made(item);
        if (item === 1) ledger.taken(queue.getNowait());
      }
    },
    { cancellable: false },
  );
});

scenario('Queue', 'two items at once are for two', (world) => {
  const { asyncio, sim } = world;
  const queue = new asyncio.Queue<number>();
  sim.watch(queue);
  for (const name of ['a', 'b']) {
    world.spawn(
      name,
      function* () {
        yield queue.get();
      },
      { daemon: true },
    );
  }
  sim.outside('items', () => {
    for (const item of [1, 2]) queue.putNowait(item);
  });
});

scenario('Queue', 'join ends when all work is done', (world) => {
  const { asyncio, sim } = world;
  const queue = new asyncio.Queue<number>();
  let done = 0;
  for (const item of [1, 2]) queue.putNowait(item);
  for (const name of ['a', 'b']) {
    world.spawn(
      name,
      function* () {
        yield queue.get();
        try {
          yield sim.step('work');
        } finally {
          done++;
          queue.taskDone();
        }
      },
      { daemon: true },
    );
  }
  world.spawn(
    'joiner',
    function* () {
      yield queue.join();
      if (done !== 2) throw new Error(`join has ended after ${done} of 2`);
    },
    // Whoever is cancelled before it got an item leaves work behind.
    { daemon: true },
  );
});

scenario('Queue', 'a shutdown lets nobody wait', (world) => {
  const { asyncio, sim } = world;
  const queue = new asyncio.Queue<number>(1);
  const ledger = sim.ledger<number>('items', () => itemsOf(queue));
  const untilShutDown = (program: Program): Program =>
    function* () {
      try {
        yield* program();
      } catch (error) {
        if (!(error instanceof asyncio.QueueShutDown)) throw error;
      }
    };
  for (const item of [1, 2]) {
    const program: Program = function* () {
      yield queue.put(item);
      ledger.made(item);
    };
    world.spawn(`put ${item}`, untilShutDown(program));
  }
  const take: Program = function* () {
    for (;;) ledger.taken(yield queue.get());
  };
  world.spawn('get', untilShutDown(take));
  world.spawn(
    'closer',
    function* () {
      yield sim.step('signal');
      queue.shutdown();
    },
    { cancellable: false },
  );
});

scenario('Queue', 'a shutdown sends away who waits for an item', (world) => {
  const { asyncio, sim } = world;
  const queue = new asyncio.Queue<number>();
  for (const name of ['a', 'b']) {
    world.spawn(name, function* () {
      try {
        yield queue.get();
      } catch (error) {
        if (!(error instanceof asyncio.QueueShutDown)) throw error;
      }
    });
  }
  sim.outside('shutdown', () => queue.shutdown());
});

for (const kind of ['Queue', 'LifoQueue', 'PriorityQueue'] as const) {
  scenario(kind, 'no item is lost or there twice', (world) => {
    const { asyncio, sim } = world;
    const queue = new asyncio[kind]<number>(1);
    sim.watch(queue);
    const ledger = sim.ledger<number>('items', () => itemsOf(queue));
    for (const item of [1, 2, 3]) {
      world.spawn(
        `put ${item}`,
        function* () {
          yield queue.put(item);
          ledger.made(item);
        },
        { daemon: true },
      );
    }
    for (const name of ['get a', 'get b']) {
      world.spawn(
        name,
        function* () {
          ledger.taken(yield queue.get());
        },
        { daemon: true },
      );
    }
  });
}

/** Every cancellation that was taken ends the task. */
function mustEndCancelled(sim: Simulation, task: Asyncio.Task<unknown>): void {
  sim.atQuiescence(() => {
    if (task.cancelling() > 0 && !task.cancelled()) throw new Error('a cancellation was swallowed');
  });
}

scenario('TaskGroup', 'a cancellation from outside is not lost beside a failing child', (world) => {
  const { asyncio, sim } = world;
  const parent = world.spawn('parent', function* () {
    try {
      yield new asyncio.TaskGroup().run((group) => {
        group.createTask(
          world.body(function* child() {
            yield sim.step('work');
            sim.raise('child failed');
          }),
          { name: 'child' },
        );
        return world.body(function* () {
          yield asyncio.sleep(1);
        })() as Promise<void>;
      });
    } catch (error) {
      if (!(error instanceof asyncio.ExceptionGroup)) throw error;
      sim.handled(error);
      yield asyncio.sleep(0);
    }
  });
  mustEndCancelled(sim, parent);
});

scenario('TaskGroup', 'it ends after all of its children, however often it is cancelled', (world) => {
  const { asyncio, sim } = world;
  let running = 0;
  let left = 0;
  const parent = world.spawn('parent', function* () {
    try {
      yield new asyncio.TaskGroup().run((group) => {
        const child: Program = function* child() {
          running++;
          try {
            yield sim.step('work');
          } finally {
            try {
              yield sim.step('cleanup');
            } finally {
              running--;
            }
          }
        };
        for (const name of ['a', 'b']) group.createTask(world.body(child), { name });
      });
    } finally {
      left = running;
    }
  });
  sim.atQuiescence(() => left === 0);
  mustEndCancelled(sim, parent);
});

scenario('TaskGroup', 'a cancellation from outside is not taken for that of the group', (world) => {
  const { asyncio, sim } = world;
  const group = new asyncio.TaskGroup();
  const parent = world.spawn('parent', function* () {
    yield group.run(
      world.body(function* () {
        yield sim.step('work');
      }) as () => Promise<void>,
    );
    yield asyncio.sleep(0);
  });
  sim.outside('group.cancel()', () => group.cancel());
  mustEndCancelled(sim, parent);
});

scenario('TaskGroup', 'no more children run than its limit says', (world) => {
  const { asyncio, sim } = world;
  const section = new Section(sim, 1);
  world.spawn(
    'parent',
    function* () {
      yield new asyncio.TaskGroup({ limit: 1 }).run((group) => {
        for (const name of ['a', 'b', 'c']) {
          const child: Program = function* () {
            section.count++;
            try {
              yield sim.step('work');
            } finally {
              section.count--;
            }
          };
          sim.cancellable(group.createTask(world.body(child), { name }));
        }
      });
    },
    { cancellable: false },
  );
});

scenario('timeout', 'a cancellation from outside is not lost beside the deadline', (world) => {
  const { asyncio, sim } = world;
  const program: Program = function* () {
    try {
      yield asyncio.timeout(1).run(
        world.body(function* () {
          yield asyncio.sleep(1);
        }) as () => Promise<void>,
      );
    } catch (error) {
      if (!(error instanceof asyncio.TimeoutError)) throw error;
      yield asyncio.sleep(0);
    }
  };
  mustEndCancelled(sim, world.spawn('limited', program));
});

scenario('timeout', 'an inner limit and an outer one end together', (world) => {
  const { asyncio, sim } = world;
  const inner: Program = function* () {
    yield asyncio.waitFor(sim.step('answer'), 1);
  };
  const outer: Program = function* () {
    yield asyncio.waitFor(world.body(orTimeout(asyncio, inner)), 2);
    yield asyncio.sleep(1);
  };
  mustEndCancelled(sim, world.spawn('limited', orTimeout(asyncio, outer)));
});

scenario('gather', 'a cancellation from outside reaches all, and is not an answer', (world) => {
  const { asyncio, sim } = world;
  let running = 0;
  const child: Program = function* child() {
    running++;
    try {
      yield sim.step('work');
    } finally {
      running--;
    }
  };
  const parent = world.spawn('parent', function* () {
    yield asyncio.gather([world.body(child), world.body(child)], { returnExceptions: true });
    if (running > 0) throw new Error(`${running} go on`);
    yield asyncio.sleep(0);
  });
  mustEndCancelled(sim, parent);
});

scenario('gather', 'the first error is thrown, and the others are no news', (world) => {
  const { asyncio, sim } = world;
  world.spawn(
    'parent',
    function* () {
      const child: Program = function* child() {
        yield sim.step('work');
        throw new RangeError('child failed');
      };
      try {
        yield asyncio.gather(world.body(child), world.body(child));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    },
    { cancellable: false },
  );
});

/** How many wait for `future`, or will be told when it is done. */
function waitersOf(future: Asyncio.Future<unknown>): number {
  return (future as unknown as { _waiterList(): unknown[] })._waiterList().length;
}

scenario('wait', 'it leaves nothing behind at what it waited for', (world) => {
  const { asyncio, sim } = world;
  const future = asyncio.getRunningLoop().createFuture<void>();
  world.spawn('waiter', function* () {
    yield asyncio.wait([future], { timeout: 1 });
  });
  sim.atQuiescence(() => waitersOf(future) === 0);
});

scenario('shield', 'what is shielded goes on', (world) => {
  const { asyncio, sim } = world;
  let isDone = false;
  const inner = world.spawn(
    'inner',
    function* () {
      yield sim.step('work');
      isDone = true;
    },
    { cancellable: false },
  );
  world.spawn('outer', function* () {
    yield asyncio.shield(inner);
    if (!isDone) throw new Error('it has ended before');
  });
  sim.atQuiescence(() => isDone);
});

scenario('shield', 'an error and a cancellation come through, once', (world) => {
  const { asyncio, sim } = world;
  const inner = world.spawn('inner', function* () {
    yield sim.step('work');
    sim.raise('inner failed');
  });
  // Not cancelled: as in CPython, a cancellation takes the place of an error that is on its way.
  const outer = world.spawn(
    'outer',
    function* () {
      try {
        yield asyncio.shield(inner);
      } catch (error) {
        if (error instanceof asyncio.CancelledError) throw error;
        sim.handled(error);
      }
    },
    { cancellable: false },
  );
  sim.atQuiescence(() => inner.cancelled() === outer.cancelled());
});

scenario('Future', 'everybody who waits for it hears of its end', (world) => {
  const { asyncio, sim } = world;
  const future = asyncio.getRunningLoop().createFuture<number>();
  sim.outside('answer', () => {
    if (!future.done()) future.setResult(42);
  });
  for (const name of ['a', 'b']) {
    world.spawn(name, function* () {
      yield asyncio.shield(future);
    });
  }
});

scenario('Task', 'it may cancel itself', (world) => {
  const { asyncio, sim } = world;
  const suicide = (name: string, program: Program): void => {
    const task = world.spawn(name, function* () {
      asyncio.currentTask()?.cancel();
      yield* program();
    });
    sim.atQuiescence(() => task.cancelled());
  };
  suicide('waits', function* () {
    yield new asyncio.Event().wait();
  });
  suicide('ends', function* () {});
});

scenario('Task', 'a request that is taken back is forgotten', (world) => {
  const { asyncio, sim } = world;
  const task = world.spawn(
    'task',
    function* () {
      const self = asyncio.currentTask() as Asyncio.Task<void>;
      self.cancel();
      self.uncancel();
      yield sim.step('work');
      yield asyncio.sleep(0);
    },
    { cancellable: false },
  );
  sim.atQuiescence(() => !task.cancelled() && task.cancelling() === 0);
});
