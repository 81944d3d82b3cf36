/** The part of random programs that is about locks, events, conditions, semaphores, barriers and queues. */

import type { Block, Call, Coro, Item, Operation, PrimitiveType, Stmt, Sync } from './ast.ts';
import type { Names } from './names.ts';
import type { Random } from './random.ts';

export const PRIMITIVES = ['lock', 'event', 'condition', 'semaphore', 'barrier', 'queue'] as const;
export type PrimitiveFeature = (typeof PRIMITIVES)[number];

type PrimitiveKind = 'l' | 'e' | 'n' | 's' | 'b' | 'q';

const KINDS = { lock: 'l', event: 'e', condition: 'n', semaphore: 's', barrier: 'b', queue: 'q' } as const;

const CALLS: Record<PrimitiveKind, Partial<Record<Call, number>>> = {
  l: { release: 4, locked: 1, text: 1 },
  e: { set: 3, clear: 2, is_set: 1, text: 1 },
  n: { notify: 3, notify_all: 2, release: 1.5, locked: 0.5, text: 1 },
  s: { release: 4, locked: 1, text: 1 },
  b: { n_waiting: 1, broken: 1, text: 1 },
  q: {
    put_nowait: 4,
    get_nowait: 3,
    task_done: 2,
    shutdown: 0.3,
    qsize: 0.5,
    empty: 0.3,
    full: 0.3,
    text: 1,
  },
};

const OPERATIONS: Record<PrimitiveKind, Partial<Record<Operation, number>>> = {
  l: { acquire: 1 },
  e: { wait: 1 },
  n: { acquire: 1.5, wait: 3, wait_for: 2 },
  s: { acquire: 1 },
  b: { wait: 6, reset: 0.7, abort: 0.4 },
  q: { put: 4, get: 5, join: 1 },
};

/** Items that can be compared with each other; some are equal without being the same. */
const ITEMS: readonly (readonly Item[])[] = [
  [1, 2, 3, true, 0.5, -1],
  ['v', 'w', 'vw', ''],
  [
    [1, 'v'],
    [1, 'w'],
    [true, 'v'],
    [2, 'v'],
    [0, 'z'],
  ],
  [[1], [1, 2], [true, 2], [], [2, 0]],
];

/** What the rest of the generator provides. */
export interface Host {
  /** Statements that don't nest deeper than `depth`. */
  block(depth: number, length: number): Block;
  /** The action, some turns of the loop later. */
  turnsLater(action: Sync): Sync[];
}

export class PrimitiveGrammar {
  readonly #random: Random;
  readonly #names: Names;
  readonly #host: Host;
  readonly #kinds: PrimitiveKind[];
  readonly #items = new Map<string, readonly Item[]>();

  constructor(random: Random, names: Names, fondOf: readonly PrimitiveFeature[], host: Host) {
    this.#random = random;
    this.#names = names;
    this.#host = host;
    this.#kinds = fondOf.map((feature) => KINDS[feature]);
  }

  /** Whether the program has primitives at all. */
  get exists(): boolean {
    return this.#kinds.length > 0;
  }

  /** The first statements of a program. */
  head(): Block {
    return this.#kinds.flatMap((kind) =>
      Array.from({ length: 1 + this.#random.below(2) }, () => this.#make(kind)),
    );
  }

  #kind(): PrimitiveKind {
    return this.#random.pick(this.#kinds);
  }

  #make(kind: PrimitiveKind, n?: number): Sync {
    const random = this.#random;
    const s = this.#names.new(kind);
    switch (kind) {
      case 'l':
        return { k: 'primitive', s, type: 'Lock' };
      case 'e':
        return { k: 'primitive', s, type: 'Event' };
      case 'n': {
        // Two conditions of one lock, or of a lock that is also used as such.
        const lock = this.#names.made.l > 0 && random.chance(0.5) ? { lock: this.#names.old('l') } : {};
        return { k: 'primitive', s, type: 'Condition', ...lock };
      }
      case 's': {
        const value = n ?? random.pick([0, 1, 1, 1, 2, 2, 3, -1]);
        // One that is bounded by 0 lets nobody through, ever.
        const type = value === 0 ? 'Semaphore' : random.pick(['Semaphore', 'BoundedSemaphore'] as const);
        return { k: 'primitive', s, type, n: value };
      }
      case 'b':
        return { k: 'primitive', s, type: 'Barrier', n: n ?? random.pick([1, 2, 2, 2, 3, 3, 0]) };
      case 'q': {
        const type: PrimitiveType = random.pick(['Queue', 'Queue', 'PriorityQueue', 'LifoQueue']);
        this.#items.set(s, random.pick(ITEMS));
        return { k: 'primitive', s, type, n: n ?? random.pick([0, 0, 1, 1, 1, 2, 2, 3, -1]) };
      }
    }
  }

  #item(s: string): Item {
    // Each queue has a kind of items, and a new one in the same slot has the same.
    return this.#random.pick(this.#items.get(s) ?? (ITEMS[0] as readonly Item[]));
  }

  /** A statement that doesn't wait. */
  sync(): Sync {
    const random = this.#random;
    const kind = this.#kind();
    if (random.chance(0.03)) return this.#make(kind);
    if (kind === 'n' && random.chance(0.2))
      return { k: 'cell', s: 'x1', v: random.pick([0, 0, 1, 'v', null]) };
    return this.#call(this.#names.old(kind), random.weighted(CALLS[kind] as Record<Call, number>));
  }

  #call(p: string, op: Call): Sync {
    const random = this.#random;
    const loud = random.chance(0.1) ? { loud: true } : {};
    switch (op) {
      case 'notify':
        return { k: 'call', p, op, n: random.pick([1, 1, 1, 2, 0]), ...loud };
      case 'put_nowait':
        return { k: 'call', p, op, item: this.#item(p), ...loud };
      case 'shutdown':
        return { k: 'call', p, op, ...(random.chance(0.4) ? { immediate: true } : {}) };
      default:
        return { k: 'call', p, op, ...loud };
    }
  }

  /** A statement that may wait; its error mostly ends here. */
  wait(): Stmt {
    const wait = await_(this.operation());
    if (this.#random.chance(0.4)) return wait;
    return { k: 'try', block: [wait], what: 'exc', then: 'swallow' };
  }

  /** An operation that may wait. */
  operation(): Coro {
    const kind = this.#kind();
    return this.#operation(
      this.#names.old(kind),
      this.#random.weighted(OPERATIONS[kind] as Record<Operation, number>),
    );
  }

  #operation(p: string, op: Operation): Coro {
    const random = this.#random;
    if (op === 'put') return { k: 'op', p, op, item: this.#item(p) };
    if (op !== 'wait_for') return { k: 'op', p, op };
    const e = random.chance(0.15) ? { e: random.pick(['ValueError', 'CancelledError'] as const) } : {};
    return { k: 'op', p, op, predicate: { cell: 'x1', n: 1 + random.below(3), ...e } };
  }

  /** Statements around something that is held, or that use what comes. */
  scope(depth: number): Block {
    const random = this.#random;
    const kind = this.#kind();
    const p = this.#names.old(kind);
    const inner = this.#host.block(depth - 1, 1 + random.below(3));
    switch (kind) {
      case 'e':
        return [await_(this.#operation(p, 'wait')), ...inner];
      case 'q':
        if (random.chance(0.5)) return [this.#consumer(p, inner)];
        return [await_(this.#operation(p, 'get')), ...inner, this.#call(p, 'task_done')];
      case 'n': {
        const what = random.pick([
          await_(this.#operation(p, 'wait')),
          await_(this.#operation(p, 'wait')),
          await_(this.#operation(p, 'wait_for')),
          this.#call(p, 'notify'),
          this.#call(p, 'notify_all'),
        ]);
        inner.splice(random.below(inner.length + 1), 0, what);
        break;
      }
      default:
    }
    if (kind === 'b' || random.chance(0.75)) return [{ k: 'with', p, block: inner }];
    return [
      await_(this.#operation(p, 'acquire')),
      { k: 'try', block: inner, finally: [this.#call(p, 'release')] },
    ];
  }

  #consumer(p: string, inner: Block): Stmt {
    const block: Block = this.#random.chance(0.5) ? [...inner, this.#call(p, 'task_done')] : inner;
    return { k: 'items', p, ...(this.#random.chance(0.6) ? { n: 1 + this.#random.below(3) } : {}), block };
  }

  /**
   * Tasks in one line, and causes that meet at nearly one instant: wakes, cancellations (some of them twice), limits,
   * newcomers, and for queues thieves and the shutdown.
   */
  meeting(): Block {
    const random = this.#random;
    const kind = this.#kind();
    const when = random.pick([0, 1, 2]);
    const nearly = (): number => Math.max(0, when + random.pick([0, 0, 0, 0, 0.5, -0.5]));
    const count = 2 + random.below(2);
    const { p, make, waiter, wake } = this.#line(kind, count, nearly);
    const waiters = Array.from({ length: count }, () => this.#names.new('t'));
    const actions: Sync[][] = [wake()];
    if (random.chance(0.6)) actions.push(wake());
    for (const t of waiters) {
      for (let i = random.pick([0, 0, 1, 1, 2]); i > 0; i--) {
        actions.push([{ k: 'cancel', s: t, msg: random.pick(['met', 'again']) }]);
      }
    }
    if (random.chance(0.5)) actions.push([this.#task(this.#names.new('t'), waiter())]);
    if (random.chance(0.3)) actions.push([this.sync()]);
    if (random.chance(0.5)) actions.push([this.#call(p, 'text')]);
    return [...make, ...waiters.map((t) => this.#task(t, waiter())), ...this.#together(actions, nearly)];
  }

  #task(s: string, block: Block): Sync {
    return { k: 'spawn', s, name: s.toUpperCase(), coro: { k: 'body', block } };
  }

  /** All in one callback, or each in its own, in any order. */
  #together(actions: Sync[][], nearly: () => number): Block {
    const random = this.#random;
    const order = actions.map((action) => ({ action, at: random.next() })).toSorted((a, b) => a.at - b.at);
    const when = nearly();
    if (random.chance(0.5)) return [{ k: 'later', d: when, do: order.flatMap(({ action }) => action) }];
    return order.map(({ action }) => ({
      k: 'later',
      d: random.chance(0.7) ? when : nearly(),
      do: random.chance(0.3) ? action.flatMap((statement) => this.#host.turnsLater(statement)) : action,
    }));
  }

  /** The wait, perhaps with a limit of its own, which may strike when the wake comes. */
  #limited(coro: Coro, nearly: () => number): Stmt {
    const random = this.#random;
    const t = nearly();
    switch (random.weighted({ bare: 5, wait_for: 2, timeout: 1, shield: 0.5 })) {
      case 'bare':
        return await_(coro);
      case 'wait_for':
        return { k: 'wait_for', aw: coro, t };
      case 'timeout':
        return { k: 'timeout', s: this.#names.new('m'), d: t, block: [await_(coro)] };
      case 'shield':
        return { k: 'await', aw: { k: 'shield', aw: coro } };
    }
  }

  /** What to make for a meeting, what its waiters do, and what wakes one of them. */
  #line(
    kind: PrimitiveKind,
    count: number,
    nearly: () => number,
  ): { p: string; make: Block; waiter: () => Block; wake: () => Sync[] } {
    const random = this.#random;
    const isNew = this.#names.made[kind] === 0 || random.chance(0.6);
    const room = {
      l: 0,
      e: 0,
      n: 0,
      s: random.below(2),
      b: count + random.below(2),
      q: random.pick([0, 1, 1, 2]),
    }[kind];
    const make: Block = isNew ? [this.#make(kind, room)] : [];
    const p = isNew ? `${kind}${this.#names.made[kind]}` : this.#names.old(kind);
    const call = (op: Call): Sync => this.#call(p, op);
    const pause = (): Block => (random.chance(0.5) ? [{ k: 'sleep', d: random.pick([0, 0, 0.5, 1]) }] : []);
    const swallowing = (block: Block): Block =>
      random.chance(0.3)
        ? [{ k: 'try', block, what: 'base', handler: pause(), then: random.pick(['swallow', 'reraise']) }]
        : block;
    const held = (): Block => [
      this.#limited(this.#operation(p, 'acquire'), nearly),
      { k: 'try', block: pause(), finally: [call('release')] },
    ];
    // Not for ever, since an earlier meeting may have left it taken.
    const take = (): Stmt => ({ k: 'wait_for', aw: this.#operation(p, 'acquire'), t: 1 });
    switch (kind) {
      case 'l':
        return {
          p,
          make: [...make, take()],
          waiter: () => swallowing(random.chance(0.5) ? held() : [{ k: 'with', p, block: pause() }]),
          wake: () => [call('release')],
        };
      case 's':
        return {
          p,
          make: [...make, ...(room === 1 ? [take()] : [])],
          waiter: () => swallowing(random.chance(0.5) ? held() : [{ k: 'with', p, block: pause() }]),
          wake: () => (random.chance(0.3) ? [call('release'), call('release')] : [call('release')]),
        };
      case 'e':
        return {
          p,
          make,
          waiter: () => swallowing([this.#limited(this.#operation(p, 'wait'), nearly), ...pause()]),
          wake: () => (random.chance(0.5) ? [call('set'), call('clear')] : [call('set')]),
        };
      case 'n':
        return {
          p,
          make,
          waiter: () => {
            const wait = this.#operation(p, random.pick(['wait', 'wait', 'wait_for']));
            return [{ k: 'with', p, block: swallowing([this.#limited(wait, nearly), ...pause()]) }];
          },
          // Whoever notifies holds the lock, and may keep it for a while.
          wake: () => [
            this.#task(this.#names.new('t'), [
              { k: 'with', p, block: [call(random.pick(['notify', 'notify_all'])), ...pause()] },
            ]),
          ],
        };
      case 'b':
        return {
          p,
          make,
          waiter: () =>
            swallowing(
              random.chance(0.3)
                ? [{ k: 'with', p, block: pause() }]
                : [this.#limited(this.#operation(p, 'wait'), nearly)],
            ),
          wake: () => {
            const op = random.weighted<'wait' | 'reset' | 'abort'>({ wait: 4, reset: 1, abort: 1 });
            return [
              { k: 'spawn', s: this.#names.new('t'), coro: this.#operation(p, op) },
              ...(random.chance(0.2) ? [call('text')] : []),
            ];
          },
        };
      case 'q': {
        const isPut = room > 0 && random.chance(0.5);
        const fill: Block = isPut ? Array.from({ length: room }, () => call('put_nowait')) : [];
        const wakes: Sync[][] = isPut
          ? [[call('get_nowait')], [call('get_nowait')], [call('get_nowait'), call('put_nowait')]]
          : [[call('put_nowait')], [call('put_nowait')], [call('put_nowait'), call('get_nowait')]];
        return {
          p,
          make: [...make, ...fill],
          waiter: () =>
            random.chance(0.15)
              ? [await_(this.#operation(p, 'join'))]
              : swallowing([this.#limited(this.#operation(p, isPut ? 'put' : 'get'), nearly), ...pause()]),
          wake: () =>
            random.chance(0.15) ? [call(random.pick(['shutdown', 'task_done']))] : random.pick(wakes),
        };
      }
    }
  }
}

function await_(aw: Coro): Stmt {
  return { k: 'await', aw };
}
