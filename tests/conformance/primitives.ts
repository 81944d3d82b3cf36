/**
 * The statements about locks, events, conditions, semaphores, barriers and queues that don't wait, and the coroutines
 * of their operations. primitives.py is its twin: change both together.
 */

import * as asyncio from 'asyncio-ts';
import type { Call, Coro, Item, Predicate, Sync } from './ast.ts';
import { makeError } from './errors.ts';
import { type CoroLike, Machine, type Primitive } from './machine.ts';

type Of<K extends Sync['k']> = Extract<Sync, { k: K }>;
type CallStatement = Of<'call'>;

/** The operations of all primitives; which of them an object has, its slot's name says. */
interface Operations {
  release(): void;
  locked(): boolean;
  set(): void;
  clear(): void;
  isSet(): boolean;
  notify(n?: number): void;
  notifyAll(): void;
  readonly nWaiting: number;
  readonly broken: boolean;
  putNowait(item: unknown): void;
  getNowait(): unknown;
  taskDone(): void;
  shutdown(immediate?: boolean): void;
  qsize(): number;
  empty(): boolean;
  full(): boolean;
  acquire(): asyncio.Coroutine<unknown>;
  wait(): asyncio.Coroutine<unknown>;
  waitFor(predicate: () => unknown): asyncio.Coroutine<unknown>;
  reset(): asyncio.Coroutine<void>;
  abort(): asyncio.Coroutine<void>;
  put(item: unknown): asyncio.Coroutine<void>;
  get(): asyncio.Coroutine<unknown>;
  join(): asyncio.Coroutine<void>;
}

const CALLS: Record<Call, (p: Operations, st: CallStatement) => unknown> = {
  release: (p) => p.release(),
  locked: (p) => p.locked(),
  set: (p) => p.set(),
  clear: (p) => p.clear(),
  is_set: (p) => p.isSet(),
  notify: (p, st) => p.notify(st.n ?? 1),
  notify_all: (p) => p.notifyAll(),
  n_waiting: (p) => p.nWaiting,
  broken: (p) => p.broken,
  put_nowait: (p, st) => p.putNowait(st.item),
  get_nowait: (p) => p.getNowait(),
  task_done: (p) => p.taskDone(),
  shutdown: (p, st) => p.shutdown(st.immediate ?? false),
  qsize: (p) => p.qsize(),
  empty: (p) => p.empty(),
  full: (p) => p.full(),
  text: (p) => primitiveText(p as unknown as Primitive),
};

/** The text of a primitive, with the values in it as Python spells them. */
function primitiveText(p: Primitive): string {
  // Ours cuts the text of many items.
  if (p instanceof asyncio.Queue && p.qsize() > 6) return 'many items';
  return p.toString().replaceAll('true', 'True');
}

export abstract class PrimitiveMachine extends Machine {
  readonly #primitives: Primitive[] = [];
  readonly #cells = new Map<string, unknown>();

  do_primitive(st: Of<'primitive'>): void {
    this.attempt(`new ${st.s}`, () => {
      const obj = this.#make(st);
      this.#primitives.push(obj);
      this.put(st.s, { kind: 'p', obj });
    });
  }

  #make({ type, n, lock }: Of<'primitive'>): Primitive {
    switch (type) {
      case 'Lock':
        return new asyncio.Lock();
      case 'Event':
        return new asyncio.Event();
      case 'Condition':
        return new asyncio.Condition(this.get(lock, 'p')?.obj as asyncio.Lock | undefined);
      case 'Barrier':
        return new asyncio.Barrier(n ?? 1);
      case 'Semaphore':
      case 'BoundedSemaphore':
        return new asyncio[type](n);
      case 'Queue':
      case 'PriorityQueue':
      case 'LifoQueue':
        return new asyncio[type]<Item>(n);
    }
  }

  do_call(st: Of<'call'>): void {
    const slot = this.get(st.p, 'p');
    if (slot === undefined) return this.say('skip');
    const p = slot.obj as unknown as Operations;
    this.attempt(`${st.p}.${st.op}`, () => CALLS[st.op](p, st), st.loud);
  }

  do_cell(st: Of<'cell'>): void {
    this.#cells.set(st.s, st.v);
  }

  /** A coroutine of the primitive. */
  protected operation(st: Extract<Coro, { k: 'op' }>): CoroLike {
    const { obj } = this.get(st.p, 'p') as { obj: Primitive };
    const p = obj as unknown as Operations;
    switch (st.op) {
      case 'put':
        return p.put(st.item);
      case 'wait_for':
        return p.waitFor(this.#predicate(st.predicate as Predicate));
      case 'wait':
        return obj instanceof asyncio.Barrier && st.index !== true ? arrive(obj) : p.wait();
      default:
        return p[st.op]();
    }
  }

  #predicate({ cell, n, e }: Predicate): () => unknown {
    let calls = 0;
    return () => {
      let value = this.#cells.has(cell) ? this.#cells.get(cell) : 0;
      if (++calls >= n) {
        if (e !== undefined) throw makeError(e, 'predicate');
        value ||= 'enough';
      }
      this.say(`predicate ${cell} ${this.fmt(value)}`);
      return value;
    };
  }

  protected endText(obj: Primitive): string {
    return primitiveText(obj);
  }

  // Who waits for ever is let go

  protected sweepPrimitives(): void {
    for (const p of this.#primitives) {
      if (p instanceof asyncio.Event) p.set();
      else if (p instanceof asyncio.Condition) this.#sweepCondition(p);
      else if (p instanceof asyncio.Barrier) this.loop.createTask(p.abort(), { name: 'sweep' });
      else if (p instanceof asyncio.Queue) sweepQueue(p);
      else if (p.locked()) {
        for (let i = p instanceof asyncio.Lock ? 1 : 8; i > 0; i--) quietly(() => p.release());
      }
    }
  }

  #sweepCondition(condition: asyncio.Condition): void {
    if (condition.locked()) {
      condition.notifyAll();
      condition.release();
    } else {
      this.loop.createTask(
        condition.run(() => condition.notifyAll()),
        { name: 'sweep' },
      );
    }
  }
}

const arrive = asyncio.coroutine(function* (barrier: asyncio.Barrier): asyncio.Gen<null> {
  yield* barrier.wait();
  return null;
});

function sweepQueue(queue: asyncio.Queue<Item>): void {
  queue.shutdown();
  for (let i = 0; i < 20; i++) quietly(() => queue.taskDone());
}

function quietly(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof asyncio.RuntimeError || error instanceof RangeError)) throw error;
  }
}
