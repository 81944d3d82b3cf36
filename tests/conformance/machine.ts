/**
 * The part of the TypeScript interpreters that does not wait: slots, traces, and the statements of callbacks.
 * interpreter.py is its twin: change both together. Primitives are in primitives.ts, waiting statements in interpreter.ts, once as generators
 * and once as async functions.
 */

import * as asyncio from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import type { Aw, Block, Coro, Item, Outcome, Program, Sync, TaskOptions } from './ast.ts';
import { makeError } from './errors.ts';

export const STEP_LIMIT = 400;
const WATCHDOG = 40;

export type AnyFuture = asyncio.Future<unknown>;
export type AnyTask = asyncio.Task<unknown>;

export class Return {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/** A vertex of the graph of waits; an await that would close a cycle (and hang) is left out. */
export class Node {
  readonly deps: Node[];

  constructor(deps: readonly Node[] = []) {
    this.deps = [...deps];
  }

  reaches(target: Node): boolean {
    const seen = new Set<Node>();
    const todo: Node[] = [this];
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      if (node === target) return true;
      if (seen.has(node)) continue;
      seen.add(node);
      todo.push(...node.deps);
    }
    return false;
  }

  remove(deps: readonly Node[]): void {
    for (const dep of deps) {
      const index = this.deps.indexOf(dep);
      if (index >= 0) this.deps.splice(index, 1);
    }
  }
}

export type Primitive =
  | asyncio.Lock
  | asyncio.Event
  | asyncio.Condition
  | asyncio.Semaphore
  | asyncio.Barrier
  | asyncio.Queue<Item>;

/** What a slot holds, by kind: futures, handles, contexts, tokens, timeouts, groups, primitives. */
export type Slot =
  | { kind: 'f'; obj: AnyFuture; node: Node }
  | { kind: 'h'; obj: asyncio.Handle }
  | { kind: 'c'; obj: asyncio.Context }
  | { kind: 'k'; obj: [asyncio.Token<unknown>, number] }
  | { kind: 'm'; obj: asyncio.Timeout }
  | { kind: 'g'; obj: asyncio.TaskGroup; node: Node }
  | { kind: 'p'; obj: Primitive };

type SlotOf<K extends Slot['kind']> = Extract<Slot, { kind: K }>;

/** Names that Python spells otherwise. */
const SPELLINGS: readonly (readonly [string, string])[] = [
  ['RangeError', 'ValueError'],
  ['setResult', 'set_result'],
  ['setException', 'set_exception'],
  ['taskDone', 'task_done'],
];

/** Texts of tasks and futures hold addresses and positions: cut. Those of task groups are compared. */
function short(text: string): string {
  for (const [ours, theirs] of SPELLINGS) text = text.replace(ours, theirs);
  if (text.includes('<TaskGroup')) return text;
  const start = text.indexOf('<');
  const end = text.lastIndexOf('>');
  return start < 0 || end < start ? text : `${text.slice(0, start)}<>${text.slice(end + 1)}`;
}

/** How many callbacks the text of a future tells of: `<Future pending cb=[f(), <2 more>, g()]>`. */
function countCallbacks(text: string): number {
  let depth = 0;
  let own = '';
  // What it waits for stands in angle brackets of its own and has callbacks, too.
  for (const c of text.replace(/<(\d+) more>/, (_, n: string) => Array(Number(n)).fill('more').join(', '))) {
    if (c === '<') depth++;
    if (depth === 1) own += c;
    if (c === '>') depth--;
  }
  const callbacks = / cb=\[(.*)\]/.exec(own)?.[1];
  return callbacks === undefined ? 0 : callbacks.split(', ').length;
}

/** Something that a task is made of. */
export type CoroLike = asyncio.CoroutineLike<unknown>;
/** Something to wait for, of any kind. */
export type AnyAw = asyncio.AwaitableLike<unknown>;

/**
 * How a run writes its coroutines: all as generators, all as async functions, or each block by the toss of a coin.
 * `noise` puts awaits of finished promises between the statements of async functions, which must change nothing.
 */
export interface Style {
  kind: 'generators' | 'async' | 'mixed';
  noise: boolean;
}

export abstract class Machine {
  readonly program: Program;
  readonly style: Style;
  readonly trace: string[] = [];
  readonly reports: string[] = [];
  readonly slots = new Map<string, Slot>();
  loop!: VirtualEventLoop;
  steps = 0;
  closed = false;

  readonly #labels = new Map<object, string>();
  readonly #errors = new Map<unknown, number>();
  readonly #callbacks = new Map<string, (future: AnyFuture) => void>();
  readonly #made: AnyFuture[] = [];
  readonly #vars: asyncio.ContextVar<unknown>[];
  #mainNumber: number | null = null;
  #sweeps = 0;

  constructor(program: Program, style: Style) {
    this.program = program;
    this.style = style;
    this.#vars = Array.from(
      { length: program.vars },
      (_, i) => new asyncio.ContextVar<unknown>(`v${i}`, { default: '-' }),
    );
  }

  // What the two ways of writing coroutines provide

  /** A coroutine for a task that runs `block`. */
  protected abstract bodyCoro(block: Block, node: Node, use: 'task' | 'object'): CoroLike;
  protected abstract mainCoro(node: Node): CoroLike;

  // What primitives.ts provides

  protected abstract operation(coro: Extract<Coro, { k: 'op' }>): CoroLike;
  protected abstract sweepPrimitives(): void;
  protected abstract endText(obj: Primitive): string;

  // What is written down

  who(): string {
    const task = asyncio.currentTask(this.loop);
    return task === null ? '-' : this.nameOf(task);
  }

  nameOf(task: AnyTask): string {
    const name = task.getName();
    return name.startsWith('Task-') && this.#mainNumber !== null
      ? `#${Number(name.slice(5)) - this.#mainNumber}`
      : name;
  }

  say(text: string): void {
    if (!this.closed) this.trace.push(`${this.loop.time()} ${this.who()} ${text}`);
  }

  fmt(value: unknown): string {
    if (value === null || value === undefined) return 'None';
    if (value === true) return 'True';
    if (value === false) return 'False';
    if (Array.isArray(value) || value instanceof Set)
      return `[${[...value].map((v) => this.fmt(v)).join(', ')}]`;
    if (value instanceof asyncio.Future) return this.#labels.get(value) ?? '?';
    if (value instanceof Error) return this.error(value);
    // What `acquire` gives is True there.
    if (typeof value === 'object' && Symbol.dispose in value) return 'True';
    return String(value);
  }

  error(error: unknown): string {
    let number = this.#errors.get(error);
    if (number === undefined) this.#errors.set(error, (number = this.#errors.size));
    return `${this.#describe(error, (e) => this.error(e))}#${number}`;
  }

  #describe(error: unknown, inner: (error: unknown) => string): string {
    if (!(error instanceof Error)) return `not an error: ${String(error)}`;
    // The oracle's word for it; the report is ours alone.
    if (error instanceof asyncio.DeadlockError) return 'Deadlock()';
    const name = error.name === 'RangeError' ? 'ValueError' : error.name;
    if (error instanceof asyncio.ExceptionGroup || error instanceof asyncio.BaseExceptionGroup) {
      return `${name}(${error.message}, [${[...error.exceptions].map(inner).join(', ')}])`;
    }
    // Our texts go on after CPython's with what came.
    const text = `${name}(${short(error.message.replace(/(awaitable is required), got [^]*/, '$1'))})`;
    // An error that passes an expired timeout gets a TimeoutError put between itself and its cause, since JavaScript
    // has no implicit context.
    let cause = error instanceof asyncio.TimeoutError ? error.cause : undefined;
    while (cause instanceof asyncio.TimeoutError) cause = cause.cause;
    return cause === undefined || cause === null ? text : `${text}<-${inner(cause)}`;
  }

  #plain(error: unknown): string {
    return this.#describe(error, (e) => this.#plain(e));
  }

  attempt(label: string, action: () => unknown, loud: boolean | undefined = false): void {
    let result: unknown;
    try {
      result = action();
    } catch (error) {
      if (error instanceof asyncio.BaseException) throw error;
      this.say(`${label} ! ${this.error(error)}`);
      if (loud) throw error;
      return;
    }
    this.say(`${label} -> ${this.fmt(result)}`);
  }

  #onException(context: asyncio.ExceptionContext): void {
    let { message } = context;
    const { exception } = context;
    if (message.includes('never retrieved') || message.includes('was destroyed')) {
      this.reports.push(exception === undefined ? message : `${message} ${this.#plain(exception)}`);
      return;
    }
    if (message.startsWith('Exception in callback')) message = 'Exception in callback';
    this.say(`handler ${short(message)} ${this.fmt(exception)}`);
  }

  // Slots

  put(name: string | undefined, slot: Slot): void {
    if (name === undefined) return;
    this.slots.set(name, slot);
    if (slot.kind === 'f' && !this.#labels.has(slot.obj)) this.#labels.set(slot.obj, name);
  }

  get<K extends Slot['kind']>(name: string | undefined, kind: K): SlotOf<K> | undefined {
    const slot = name === undefined ? undefined : this.slots.get(name);
    return slot?.kind === kind ? (slot as SlotOf<K>) : undefined;
  }

  futures(names: readonly string[]): SlotOf<'f'>[] {
    return names.map((name) => this.get(name, 'f')).filter((slot) => slot !== undefined);
  }

  // Coroutines and awaitables

  /** A coroutine that whoever holds `node` runs; `use` says in which shapes it may come. */
  makeCoro(coro: Coro, node: Node, use: 'task' | 'object'): CoroLike {
    switch (coro.k) {
      case 'body':
        return this.bodyCoro(coro.block, node, use);
      case 'sleep':
        return asyncio.sleep<unknown>(coro.d, coro.r ?? null);
      case 'wait_for':
        return asyncio.waitFor(this.makeAw(coro.aw, node)[0], coro.t);
      case 'wait':
        return this.makeWait(coro);
      case 'op':
        return this.operation(coro);
    }
  }

  makeWait(wait: Extract<Coro, { k: 'wait' }>): asyncio.Coroutine<[Set<AnyFuture>, Set<AnyFuture>]> {
    const options = { timeout: wait.t ?? null, returnWhen: wait.rw };
    return asyncio.wait(
      this.futures(wait.fs).map((slot) => slot.obj),
      options,
    );
  }

  /** A coroutine that becomes a task, and its vertex. */
  makeTaskCoro(coro: Coro, use: 'task' | 'object' = 'task'): [CoroLike, Node] {
    const node = new Node(this.slotNodes(coro));
    return [this.makeCoro(coro, node, use), node];
  }

  /** The vertices of everything that exists already and is waited for by `aw` itself. */
  slotNodes(aw: Aw): Node[] {
    switch (aw.k) {
      case 'slot':
        return this.futures([aw.s]).map((slot) => slot.node);
      case 'wait_for':
      case 'shield':
        return this.slotNodes(aw.aw);
      case 'gather':
        return aw.aws.flatMap((a) => this.slotNodes(a));
      case 'wait':
        return this.futures(aw.fs).map((slot) => slot.node);
      default:
        return [];
    }
  }

  /** Whether every slot that `aw` names is filled. */
  complete(aw: Aw): boolean {
    switch (aw.k) {
      case 'slot':
        return this.get(aw.s, 'f') !== undefined;
      case 'op':
        return this.get(aw.p, 'p') !== undefined;
      case 'wait_for':
      case 'shield':
        return this.complete(aw.aw);
      case 'gather':
        return aw.aws.every((a) => this.complete(a));
      default:
        return true;
    }
  }

  /** An awaitable, and the vertices that whoever awaits it waits for. `node` runs what is awaited inline. */
  makeAw(aw: Aw, node: Node): [AnyAw, Node[]] {
    switch (aw.k) {
      case 'slot': {
        const slot = this.get(aw.s, 'f') as SlotOf<'f'>;
        return [slot.obj, [slot.node]];
      }
      case 'gather':
      case 'shield':
        return this.makeFuture(aw);
      case 'dup':
        throw new Error('a duplicate stands outside of a list');
      default:
        return [this.makeCoro(aw, node, 'task'), this.slotNodes(aw)];
    }
  }

  makeFuture(aw: Extract<Aw, { k: 'gather' | 'shield' }>): [AnyFuture, Node[]] {
    let future: AnyFuture;
    let nodes: Node[];
    if (aw.k === 'gather') {
      const [children, deps] = this.makeList(aw.aws);
      // Both forms of the call, as long as there are no options.
      future =
        aw.re === true ? asyncio.gather(children, { returnExceptions: true }) : asyncio.gather(...children);
      nodes = deps;
    } else {
      const [inner, deps] = this.makeItem(aw.aw);
      future = asyncio.shield(inner);
      nodes = deps;
    }
    const outer = new Node(nodes);
    this.put(aw.s, { kind: 'f', obj: future, node: outer });
    return [future, [outer]];
  }

  /** Something for gather() and its like, which make a task of a coroutine. */
  makeItem(aw: Aw, use: 'task' | 'object' = 'task'): [AnyAw, Node[]] {
    if (aw.k === 'slot' || aw.k === 'gather' || aw.k === 'shield') return this.makeAw(aw, new Node());
    if (aw.k === 'dup') throw new Error('a duplicate stands outside of a list');
    const [coro, node] = this.makeTaskCoro(aw, use);
    return [coro, [node]];
  }

  makeList(aws: readonly Aw[]): [AnyAw[], Node[]] {
    // One function given twice could also mean two calls; a coroutine object twice is one coroutine.
    const use = aws.some((aw) => aw.k === 'dup') ? 'object' : 'task';
    const items: AnyAw[] = [];
    const nodes: Node[] = [];
    for (const aw of aws) {
      if (aw.k === 'dup') {
        items.push(items[aw.i] as AnyAw);
        continue;
      }
      const [item, more] = this.makeItem(aw, use);
      items.push(item);
      nodes.push(...more);
    }
    return [items, nodes];
  }

  /** True if the wait must be left out: a slot is empty, or it would close a cycle. */
  refused(aw: Aw, node: Node, itself: boolean | undefined = false): boolean {
    if (!this.complete(aw)) {
      this.say('skip');
      return true;
    }
    // A task that awaits itself does not hang: it gets an error.
    const own = itself && aw.k === 'slot' && this.get(aw.s, 'f')?.node === node;
    if (!own && this.slotNodes(aw).some((n) => n.reaches(node))) {
      this.say('refused');
      return true;
    }
    return false;
  }

  // Statements

  /** False once the program has used up its steps. */
  step(): boolean {
    return !this.closed && ++this.steps <= STEP_LIMIT;
  }

  runSync(block: readonly Sync[]): void {
    for (const statement of block) {
      if (!this.step()) return;
      this.sync(statement);
    }
  }

  /** Does a statement that doesn't wait; false for the others. */
  sync(st: { k: string }): boolean {
    const action = (this as unknown as Record<string, ((st: unknown) => void) | undefined>)[`do_${st.k}`];
    if (action === undefined) return false;
    action.call(this, st);
    return true;
  }

  do_log(st: Of<'log'>): void {
    this.say(`log ${this.fmt(st.v)}`);
  }

  #options(st: TaskOptions): { name?: string; eagerStart?: boolean; context?: asyncio.Context } {
    const context = this.get(st.ctx, 'c')?.obj;
    return {
      ...(st.name === undefined ? {} : { name: st.name }),
      ...(st.eager === undefined ? {} : { eagerStart: st.eager }),
      ...(context === undefined ? {} : { context }),
    };
  }

  do_spawn(st: Of<'spawn'>): void {
    if (!this.complete(st.coro)) return this.say('skip');
    const [coro, node] = this.makeTaskCoro(st.coro);
    const task = (
      st.ensure === true
        ? asyncio.ensureFuture(coro, { loop: this.loop })
        : this.loop.createTask(coro, this.#options(st))
    ) as AnyTask;
    this.put(st.s, { kind: 'f', obj: task, node });
    this.say(`spawn ${st.s} ${this.nameOf(task)} ${this.fmt(task.done())}`);
  }

  do_future(st: Of<'future'>): void {
    const future = this.loop.createFuture<unknown>();
    this.#made.push(future);
    this.put(st.s, { kind: 'f', obj: future, node: new Node() });
  }

  do_make(st: Of<'make'>): void {
    if (!this.complete(st.aw)) return this.say('skip');
    const [future, nodes] = this.makeItem(st.aw) as [AnyFuture, Node[]];
    this.put(st.s, { kind: 'f', obj: future, node: nodes[0] as Node });
    this.say(`make ${st.s} ${this.fmt(future.done())}`);
  }

  do_cancel(st: Of<'cancel'>): void {
    const slot = this.get(st.s, 'f');
    if (slot === undefined) return this.say('skip');
    this.attempt(`cancel ${st.s}`, () => slot.obj.cancel(st.msg ?? null));
  }

  do_cancel_self(st: Of<'cancel_self'>): void {
    const task = asyncio.currentTask(this.loop);
    if (task !== null) this.attempt('cancel self', () => task.cancel(st.msg ?? null));
  }

  do_uncancel(st: Of<'uncancel'>): void {
    const task = this.#task(st.s);
    if (task !== null) this.attempt('uncancel', () => task.uncancel());
  }

  #task(name: string | undefined): AnyTask | null {
    if (name === undefined) return asyncio.currentTask(this.loop);
    const future = this.get(name, 'f')?.obj;
    return future instanceof asyncio.Task ? future : null;
  }

  state(future: AnyFuture): string {
    const word = future.cancelled() ? 'cancelled' : future.done() ? 'done' : 'pending';
    return future instanceof asyncio.Task ? `${word} ${future.cancelling()}` : word;
  }

  do_query(st: Of<'query'>): void {
    const slot = this.get(st.s, 'f');
    if (slot === undefined) return this.say('skip');
    this.say(`state ${st.s} ${this.state(slot.obj)}`);
    if (st.how === 'state') return;
    let value: unknown;
    try {
      value = st.how === 'result' ? slot.obj.result() : slot.obj.exception();
    } catch (error) {
      return this.say(`${st.how} ! ${this.error(error)}`);
    }
    this.say(`${st.how} -> ${this.fmt(value)}`);
  }

  do_set(st: Of<'set'>): void {
    const slot = this.get(st.s, 'f');
    if (slot === undefined || (st.guard === true && slot.obj.done())) return this.say('skip');
    this.attempt(`set ${st.s}`, () => slot.obj.setResult(st.v), st.loud);
  }

  do_fail(st: Of<'fail'>): void {
    const slot = this.get(st.s, 'f');
    if (slot === undefined || (st.guard === true && slot.obj.done())) return this.say('skip');
    const error = makeError(st.e, st.v);
    this.attempt(`fail ${st.s}`, () => slot.obj.setException(error), st.loud);
  }

  #callback(st: { do: Sync[]; ctx?: string }): () => void {
    const context = this.get(st.ctx, 'c')?.obj;
    const callback = () => this.runSync(st.do);
    return context === undefined ? callback : context.bind(callback);
  }

  #keep(name: string | undefined, obj: asyncio.Handle): void {
    this.put(name, { kind: 'h', obj });
  }

  do_soon(st: Of<'soon'>): void {
    this.#keep(st.s, this.loop.callSoon(this.#callback(st)));
  }

  do_later(st: Of<'later'>): void {
    this.#keep(st.s, this.loop.callLater(st.d, this.#callback(st)));
  }

  do_at(st: Of<'at'>): void {
    this.#keep(st.s, this.loop.callAt(st.t, this.#callback(st)));
  }

  do_cancel_handle(st: Of<'cancel_handle'>): void {
    const slot = this.get(st.s, 'h');
    if (slot === undefined) return this.say('skip');
    slot.obj.cancel();
    this.say(`handle ${st.s} ${this.fmt(slot.obj.cancelled())}`);
  }

  do_add_cb(st: Of<'add_cb'>): void {
    const slot = this.get(st.s, 'f');
    if (slot === undefined) return this.say('skip');
    // The same function for the same tag, so that it can be registered and removed several times.
    let callback = this.#callbacks.get(st.tag);
    if (callback === undefined) {
      callback = (future) => {
        this.say(`cb ${st.tag} ${this.fmt(future)} ${this.state(future)}`);
        this.runSync(st.do ?? []);
      };
      this.#callbacks.set(st.tag, callback);
    }
    const context = this.get(st.ctx, 'c')?.obj;
    if (context === undefined) slot.obj.addDoneCallback(callback);
    else slot.obj.addDoneCallback(callback, { context });
  }

  do_remove_cb(st: Of<'remove_cb'>): void {
    const slot = this.get(st.s, 'f');
    const callback = this.#callbacks.get(st.tag);
    if (slot === undefined || callback === undefined) return this.say('skip');
    this.attempt(`remove ${st.tag}`, () => slot.obj.removeDoneCallback(callback));
  }

  do_callbacks(st: Of<'callbacks'>): void {
    const slot = this.get(st.s, 'f');
    if (slot === undefined) return this.say('skip');
    this.say(`callbacks ${st.s} ${countCallbacks(slot.obj.toString())}`);
  }

  do_reschedule(st: Of<'reschedule'>): void {
    const slot = this.get(st.s, 'm');
    if (slot === undefined) return this.say('skip');
    const when = st.d === null ? null : this.loop.time() + st.d;
    this.attempt(`reschedule ${st.s}`, () => slot.obj.reschedule(when));
  }

  do_when(st: Of<'when'>): void {
    const slot = this.get(st.s, 'm');
    if (slot === undefined) return this.say('skip');
    this.say(`when ${st.s} ${this.fmt(slot.obj.when())} ${this.fmt(slot.obj.expired())}`);
  }

  do_tg_spawn(st: Of<'tg_spawn'>): void {
    const group = this.get(st.g, 'g');
    if (group === undefined || !this.complete(st.coro)) return this.say('skip');
    if (this.slotNodes(st.coro).some((dep) => dep.reaches(group.node))) return this.say('refused');
    const [coro, node] = this.makeTaskCoro(st.coro);
    const create = () => {
      group.node.deps.push(node);
      const task = group.obj.createTask(coro, this.#options(st));
      this.put(st.s, { kind: 'f', obj: task, node });
      return task.done();
    };
    this.attempt(`tg_spawn ${st.s}`, create, st.loud);
  }

  do_tg_show(st: Of<'tg_show'>): void {
    const group = this.get(st.g, 'g');
    this.say(group === undefined ? 'skip' : group.obj.toString());
  }

  do_cv_set(st: Of<'cv_set'>): void {
    const token = this.#var(st.i).set(st.v);
    this.put(st.tok, { kind: 'k', obj: [token, st.i] });
  }

  do_cv_get(st: Of<'cv_get'>): void {
    this.say(`var ${st.i} = ${this.fmt(this.#var(st.i).get())}`);
  }

  do_cv_reset(st: Of<'cv_reset'>): void {
    const slot = this.get(st.tok, 'k');
    if (slot === undefined) return this.say('skip');
    const [token, i] = slot.obj;
    this.attempt('reset', () => this.#var(i).reset(token));
  }

  #var(i: number): asyncio.ContextVar<unknown> {
    return this.#vars[i] as asyncio.ContextVar<unknown>;
  }

  do_ctx(st: Of<'ctx'>): void {
    this.put(st.s, { kind: 'c', obj: asyncio.copyContext() });
  }

  do_ctx_run(st: Of<'ctx_run'>): void {
    const slot = this.get(st.s, 'c');
    if (slot === undefined) return this.say('skip');
    this.attempt('ctx_run', () => slot.obj.run(() => this.runSync(st.do)));
  }

  do_set_name(st: Of<'set_name'>): void {
    this.#task(st.s)?.setName(st.name);
  }

  do_tasks(_st: Of<'tasks'>): void {
    const names = [...asyncio.allTasks(this.loop)].map((task) => this.nameOf(task));
    this.say(`tasks ${names.toSorted().join(' ')}`);
  }

  do_cancelling(_st: Of<'cancelling'>): void {
    const task = asyncio.currentTask(this.loop);
    if (task !== null) this.say(`cancelling ${task.cancelling()}`);
  }

  do_factory(st: Of<'factory'>): void {
    this.loop.setTaskFactory(st.eager ? asyncio.eagerTaskFactory : null);
  }

  do_raise(st: Of<'raise'>): void {
    throw makeError(st.e, st.v);
  }

  // The run

  #makeLoop(): VirtualEventLoop {
    this.loop = new VirtualEventLoop();
    this.loop.setExceptionHandler((_loop, context) => this.#onException(context));
    if (this.program.eager) this.loop.setTaskFactory(asyncio.eagerTaskFactory);
    return this.loop;
  }

  /** Called by the main coroutine first of all. */
  protected start(): void {
    this.#mainNumber = Number((asyncio.currentTask(this.loop) as AnyTask).getName().slice(5));
    this.loop.callAt(WATCHDOG, () => this.#sweep());
  }

  /** Futures that the program forgets are set, and who waits at a primitive is let go, so that it ends. */
  #sweep(): void {
    for (const future of this.#made) if (!future.done()) future.setResult('late');
    this.sweepPrimitives();
    if (++this.#sweeps < 20) this.loop.callLater(10, () => this.#sweep());
  }

  async run(): Promise<Outcome> {
    let end: string;
    try {
      end = this.fmt(await asyncio.run(this.mainCoro(new Node()), { loopFactory: () => this.#makeLoop() }));
    } catch (error) {
      end = this.error(error);
    }
    this.say(`run ${end}`);
    for (const [name, slot] of [...this.slots].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (slot.kind === 'f') this.trace.push(`end ${name} ${this.state(slot.obj)}`);
      else if (slot.kind === 'p') this.trace.push(`end ${name} ${this.endText(slot.obj)}`);
    }
    this.closed = true;
    return { trace: this.trace, reports: this.reports.toSorted() };
  }
}

type Of<K extends Sync['k']> = Extract<Sync, { k: K }>;
