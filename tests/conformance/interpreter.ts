/**
 * Runs the programs of ast.ts with the library: as real generator coroutines (`yield*`), as real async functions
 * (`await`), or with a coin tossed for every block. The waiting statements are written twice, line for line the
 * same; interpreter.py is their twin in Python.
 */

import * as asyncio from 'asyncio-ts';
import type { Block, Outcome, Program, Stmt } from './ast.ts';
import { catches } from './errors.ts';
import { type AnyFuture, type CoroLike, Node, Return, type Style } from './machine.ts';
import { PrimitiveMachine } from './primitives.ts';
import { hash } from './random.ts';

type Gen<T> = asyncio.Gen<T>;
type Of<K extends Stmt['k']> = Extract<Stmt, { k: K }>;
type Returned = Return | undefined;

export type { Style } from './machine.ts';

/** Runs one program in one style. */
export function interpret(program: Program, style: Style): Promise<Outcome> {
  return new Interpreter(program, style).run();
}

class Interpreter extends PrimitiveMachine {
  /** Blocks are numbered by their place in the program, so that the coin falls the same way in every run. */
  readonly #numbers = new Map<Block, number>();

  constructor(program: Program, style: Style) {
    super(program, style);
    this.#number(program.main);
  }

  #number(part: unknown): void {
    if (Array.isArray(part)) this.#numbers.set(part, this.#numbers.size);
    if (part !== null && typeof part === 'object')
      for (const value of Object.values(part)) this.#number(value);
  }

  /** A number below `n` that depends on the program and the block alone. */
  #toss(block: Block, n: number, salt: number): number {
    return hash(this.program.seed, this.#numbers.get(block) ?? 0, salt) % n;
  }

  #isGenerator(block: Block): boolean {
    if (this.style.kind === 'mixed') return this.#toss(block, 2, 1) === 0;
    return this.style.kind === 'generators';
  }

  // Coroutines

  protected bodyCoro(block: Block, node: Node, use: 'task' | 'object'): CoroLike {
    const generator = this.#isGenerator(block);
    const shape = use === 'object' ? 0 : this.#toss(block, 3, 2);
    if (generator) {
      if (shape === 0) return asyncio.coroutine(() => this.#genBody(block, node))();
      return shape === 1 ? this.#genBody(block, node) : () => this.#genBody(block, node);
    }
    return shape === 0
      ? asyncio.coroutine(() => this.#asyncBody(block, node))()
      : () => this.#asyncBody(block, node);
  }

  protected mainCoro(node: Node): CoroLike {
    const { main } = this.program;
    return this.#isGenerator(main) ? this.#genMain(main, node) : () => this.#asyncMain(main, node);
  }

  *#genMain(block: Block, node: Node): Gen<unknown> {
    this.start();
    return (yield* this.#genBlock(block, node))?.value;
  }

  async #asyncMain(block: Block, node: Node): Promise<unknown> {
    this.start();
    return (await this.#asyncBlock(block, node))?.value;
  }

  *#genBody(block: Block, node: Node): Gen<unknown> {
    this.say('begin');
    return (yield* this.#genBlock(block, node))?.value;
  }

  async #asyncBody(block: Block, node: Node): Promise<unknown> {
    this.say('begin');
    return (await this.#asyncBlock(block, node))?.value;
  }

  // Blocks, which a program in mixed style changes its way of writing at

  *#genSub(block: Block, node: Node): Gen<Returned> {
    if (this.#isGenerator(block)) return yield* this.#genBlock(block, node);
    return yield* asyncio.coroutine(() => this.#asyncBlock(block, node))();
  }

  async #asyncSub(block: Block, node: Node): Promise<Returned> {
    if (!this.#isGenerator(block)) return this.#asyncBlock(block, node);
    return asyncio.coroutine(() => this.#genBlock(block, node))();
  }

  /** The body of an `async with` of a primitive. */
  #within(st: Of<'with'>, node: Node): () => Gen<Returned> {
    const body = this.#sub(st.block, node);
    return () => {
      this.say(`in ${st.p}`);
      return body();
    };
  }

  /** The body of a `cm.run(...)`. */
  #sub(block: Block, node: Node): () => Gen<Returned> {
    // Either kind of function is a legal body; the cast only chooses an overload.
    if (this.#isGenerator(block)) return () => this.#genBlock(block, node);
    return (() => this.#asyncBlock(block, node)) as never;
  }

  *#genBlock(block: Block, node: Node): Gen<Returned> {
    for (const statement of block) {
      if (!this.step()) return undefined;
      if (this.sync(statement)) continue;
      const returned = yield* this.#genStatement(statement, node);
      if (returned !== undefined) return returned;
    }
    return undefined;
  }

  async #asyncBlock(block: Block, node: Node): Promise<Returned> {
    for (const statement of block) {
      if (!this.step()) return undefined;
      if (this.style.noise) await this.#noise(block);
      if (this.sync(statement)) continue;
      const returned = await this.#asyncStatement(statement, node);
      if (returned !== undefined) return returned;
    }
    return undefined;
  }

  /** Awaits of what is finished already: they take microtasks, but no turn of the loop. */
  async #noise(block: Block): Promise<void> {
    const awaits =
      [0, 0, 0, 1, 2, 5, 20][hash(this.program.seed, this.steps, this.#numbers.get(block) ?? 0) % 7] ?? 0;
    for (let i = 0; i < awaits; i++) await null;
  }

  // Statements as generators

  *#genStatement(st: Stmt, node: Node): Gen<Returned> {
    switch (st.k) {
      case 'sleep':
        this.say(`slept ${this.fmt(yield* asyncio.sleep<unknown>(st.d, st.r ?? null))}`);
        return undefined;
      case 'await':
        return yield* this.#genAwait(st, node);
      case 'wait':
        return yield* this.#genWait(st, node);
      case 'wait_for':
        return yield* this.#genWaitFor(st, node);
      case 'timeout':
        return yield* this.#genTimeout(st, node);
      case 'group':
        return yield* this.#genGroup(st, node);
      case 'reenter':
        return yield* this.#genReenter(st);
      case 'as_completed':
        return yield* this.#genAsCompleted(st, node);
      case 'try':
        return yield* this.#genTry(st, node);
      case 'with':
        return yield* this.#genWith(st, node);
      case 'items':
        return yield* this.#genItems(st, node);
      case 'repeat':
        for (let i = 0; i < st.n; i++) {
          const returned = yield* this.#genSub(st.block, node);
          if (returned !== undefined) return returned;
        }
        return undefined;
      case 'return':
        return new Return(st.v);
      default:
        throw new Error(`unknown statement ${st.k}`);
    }
  }

  *#genAwait(st: Of<'await'>, node: Node): Gen<undefined> {
    if (this.refused(st.aw, node, st.itself)) return;
    if (st.aw.k === 'body') {
      const { block } = st.aw;
      // Inline, by a call of the generator function itself or through a lazy coroutine.
      const plain = this.#isGenerator(block) && this.#toss(block, 2, 3) === 0;
      const result = plain
        ? yield* this.#genBody(block, node)
        : yield* this.bodyCoro(block, node, 'object') as asyncio.Coroutine<unknown>;
      this.say(`await -> ${this.fmt(result)}`);
      return;
    }
    const [aw, deps] = this.#awaitable(st, node);
    node.deps.push(...deps);
    try {
      this.say(`await -> ${this.fmt(yield* aw)}`);
    } finally {
      node.remove(deps);
    }
  }

  *#genWait(st: Of<'wait'>, node: Node): Gen<undefined> {
    if (this.refused(st, node)) return;
    const deps = this.slotNodes(st);
    node.deps.push(...deps);
    try {
      const [done, pending] = yield* this.makeWait(st);
      this.say(`wait -> ${this.fmt([...done])} ${this.fmt([...pending])}`);
    } finally {
      node.remove(deps);
    }
  }

  *#genWaitFor(st: Of<'wait_for'>, node: Node): Gen<undefined> {
    if (this.refused(st, node)) return;
    const [aw, deps] = this.makeAw(st.aw, node);
    node.deps.push(...deps);
    try {
      this.say(`wait_for -> ${this.fmt(yield* asyncio.waitFor(aw, st.t))}`);
    } finally {
      node.remove(deps);
    }
  }

  *#genTimeout(st: Of<'timeout'>, node: Node): Gen<Returned> {
    const manager = this.#timeout(st);
    try {
      return yield* manager.run(this.#sub(st.block, node));
    } finally {
      this.say(`timeout ${st.s} over ${this.fmt(manager.when())} ${this.fmt(manager.expired())}`);
    }
  }

  *#genGroup(st: Of<'group'>, node: Node): Gen<Returned> {
    const group = new asyncio.TaskGroup();
    const vertex = new Node();
    this.put(st.s, { kind: 'g', obj: group, node: vertex });
    node.deps.push(vertex);
    try {
      return yield* group.run(this.#sub(st.block, node));
    } finally {
      node.remove([vertex]);
      this.say(`group ${st.s} over ${group.toString()}`);
    }
  }

  *#genReenter(st: Of<'reenter'>): Gen<undefined> {
    const slot = this.get(st.s, 'm') ?? this.get(st.s, 'g');
    if (slot === undefined) return this.#skip();
    yield* (slot.obj as asyncio.Timeout).run(function* (this: void): Gen<void> {});
    this.say('entered again');
    return undefined;
  }

  *#genAsCompleted(st: Of<'as_completed'>, node: Node): Gen<Returned> {
    if (st.aws.some((aw) => this.refused(aw, node))) return undefined;
    const [items, deps] = this.makeList(st.aws);
    const completed = asyncio.asCompleted(items, { timeout: st.t ?? null });
    node.deps.push(...deps);
    try {
      let n = 0;
      if (st.mode === 'for') {
        for (const aw of completed) {
          try {
            this.say(`next -> ${this.fmt(yield* aw)}`);
          } catch (error) {
            if (error instanceof asyncio.BaseException) throw error;
            this.say(`next ! ${this.error(error)}`);
          }
          const returned = yield* this.#genSub(st.block ?? [], node);
          if (returned !== undefined) return returned;
          if (++n === st.n) break;
        }
      } else {
        for (;;) {
          const next = yield* completed.next();
          if (next.done === true) break;
          const future = next.value as AnyFuture;
          this.say(`next ${this.fmt(future)} ${this.state(future)}`);
          const returned = yield* this.#genSub(st.block ?? [], node);
          if (returned !== undefined) return returned;
          if (++n === st.n) break;
        }
      }
      this.say(`turns ${n}`);
      return undefined;
    } finally {
      node.remove(deps);
    }
  }

  *#genTry(st: Of<'try'>, node: Node): Gen<Returned> {
    try {
      return yield* this.#genSub(st.block, node);
    } catch (error) {
      if (!catches(st.what, error)) throw error;
      this.say(`caught ${this.error(error)}`);
      const returned = yield* this.#genSub(st.handler ?? [], node);
      if (returned !== undefined) return returned;
      if (st.then === 'reraise') throw error;
      return undefined;
    } finally {
      if (st.finally !== undefined) {
        this.say('finally');
        yield* this.#genSub(st.finally, node);
      }
    }
  }

  *#genWith(st: Of<'with'>, node: Node): Gen<Returned> {
    const slot = this.get(st.p, 'p');
    if (slot === undefined) return this.#skip();
    try {
      return yield* (slot.obj as asyncio.Lock).run(this.#within(st, node));
    } finally {
      this.say(`out of ${st.p}`);
    }
  }

  *#genItems(st: Of<'items'>, node: Node): Gen<Returned> {
    const slot = this.get(st.p, 'p')?.obj as asyncio.Queue<unknown> | undefined;
    if (slot === undefined) return this.#skip();
    const items = slot[Symbol.asyncIterator]();
    let n = 0;
    while (n !== st.n) {
      const next = yield* items.next();
      if (next.done === true) break;
      this.say(`item ${this.fmt(next.value)}`);
      const returned = yield* this.#genSub(st.block ?? [], node);
      if (returned !== undefined) return returned;
      n++;
    }
    this.say(`items ${n}`);
    return undefined;
  }

  // The same as async functions

  async #asyncStatement(st: Stmt, node: Node): Promise<Returned> {
    switch (st.k) {
      case 'sleep':
        this.say(`slept ${this.fmt(await asyncio.sleep<unknown>(st.d, st.r ?? null))}`);
        return undefined;
      case 'await':
        return this.#asyncAwait(st, node);
      case 'wait':
        return this.#asyncWait(st, node);
      case 'wait_for':
        return this.#asyncWaitFor(st, node);
      case 'timeout':
        return this.#asyncTimeout(st, node);
      case 'group':
        return this.#asyncGroup(st, node);
      case 'reenter':
        return this.#asyncReenter(st);
      case 'as_completed':
        return this.#asyncAsCompleted(st, node);
      case 'try':
        return this.#asyncTry(st, node);
      case 'with':
        return this.#asyncWith(st, node);
      case 'items':
        return this.#asyncItems(st, node);
      case 'repeat':
        for (let i = 0; i < st.n; i++) {
          const returned = await this.#asyncSub(st.block, node);
          if (returned !== undefined) return returned;
        }
        return undefined;
      case 'return':
        return new Return(st.v);
      default:
        throw new Error(`unknown statement ${st.k}`);
    }
  }

  async #asyncAwait(st: Of<'await'>, node: Node): Promise<undefined> {
    if (this.refused(st.aw, node, st.itself)) return;
    if (st.aw.k === 'body') {
      const { block } = st.aw;
      // Inline, by a plain call of an async function or through a lazy coroutine.
      const plain = !this.#isGenerator(block) && this.#toss(block, 2, 3) === 0;
      const result = plain
        ? await this.#asyncBody(block, node)
        : await (this.bodyCoro(block, node, 'object') as asyncio.Coroutine<unknown>);
      this.say(`await -> ${this.fmt(result)}`);
      return;
    }
    const [aw, deps] = this.#awaitable(st, node);
    node.deps.push(...deps);
    try {
      this.say(`await -> ${this.fmt(await aw)}`);
    } finally {
      node.remove(deps);
    }
  }

  async #asyncWait(st: Of<'wait'>, node: Node): Promise<undefined> {
    if (this.refused(st, node)) return;
    const deps = this.slotNodes(st);
    node.deps.push(...deps);
    try {
      const [done, pending] = await this.makeWait(st);
      this.say(`wait -> ${this.fmt([...done])} ${this.fmt([...pending])}`);
    } finally {
      node.remove(deps);
    }
  }

  async #asyncWaitFor(st: Of<'wait_for'>, node: Node): Promise<undefined> {
    if (this.refused(st, node)) return;
    const [aw, deps] = this.makeAw(st.aw, node);
    node.deps.push(...deps);
    try {
      this.say(`wait_for -> ${this.fmt(await asyncio.waitFor(aw, st.t))}`);
    } finally {
      node.remove(deps);
    }
  }

  async #asyncTimeout(st: Of<'timeout'>, node: Node): Promise<Returned> {
    const manager = this.#timeout(st);
    try {
      return await manager.run(this.#sub(st.block, node));
    } finally {
      this.say(`timeout ${st.s} over ${this.fmt(manager.when())} ${this.fmt(manager.expired())}`);
    }
  }

  async #asyncGroup(st: Of<'group'>, node: Node): Promise<Returned> {
    const group = new asyncio.TaskGroup();
    const vertex = new Node();
    this.put(st.s, { kind: 'g', obj: group, node: vertex });
    node.deps.push(vertex);
    try {
      return await group.run(this.#sub(st.block, node));
    } finally {
      node.remove([vertex]);
      this.say(`group ${st.s} over ${group.toString()}`);
    }
  }

  async #asyncReenter(st: Of<'reenter'>): Promise<undefined> {
    const slot = this.get(st.s, 'm') ?? this.get(st.s, 'g');
    if (slot === undefined) return this.#skip();
    await (slot.obj as asyncio.Timeout).run(async () => {});
    this.say('entered again');
    return undefined;
  }

  async #asyncAsCompleted(st: Of<'as_completed'>, node: Node): Promise<Returned> {
    if (st.aws.some((aw) => this.refused(aw, node))) return undefined;
    const [items, deps] = this.makeList(st.aws);
    const completed = asyncio.asCompleted(items, { timeout: st.t ?? null });
    node.deps.push(...deps);
    try {
      let n = 0;
      if (st.mode === 'for') {
        for (const aw of completed) {
          try {
            this.say(`next -> ${this.fmt(await aw)}`);
          } catch (error) {
            if (error instanceof asyncio.BaseException) throw error;
            this.say(`next ! ${this.error(error)}`);
          }
          const returned = await this.#asyncSub(st.block ?? [], node);
          if (returned !== undefined) return returned;
          if (++n === st.n) break;
        }
      } else {
        for await (const next of completed) {
          // The loop hands out the futures themselves; TypeScript takes them for awaited.
          const future = next as AnyFuture;
          this.say(`next ${this.fmt(future)} ${this.state(future)}`);
          const returned = await this.#asyncSub(st.block ?? [], node);
          if (returned !== undefined) return returned;
          if (++n === st.n) break;
        }
      }
      this.say(`turns ${n}`);
      return undefined;
    } finally {
      node.remove(deps);
    }
  }

  async #asyncTry(st: Of<'try'>, node: Node): Promise<Returned> {
    try {
      return await this.#asyncSub(st.block, node);
    } catch (error) {
      if (!catches(st.what, error)) throw error;
      this.say(`caught ${this.error(error)}`);
      const returned = await this.#asyncSub(st.handler ?? [], node);
      if (returned !== undefined) return returned;
      if (st.then === 'reraise') throw error;
      return undefined;
    } finally {
      if (st.finally !== undefined) {
        this.say('finally');
        await this.#asyncSub(st.finally, node);
      }
    }
  }

  async #asyncWith(st: Of<'with'>, node: Node): Promise<Returned> {
    const slot = this.get(st.p, 'p');
    if (slot === undefined) return this.#skip();
    try {
      return await (slot.obj as asyncio.Lock).run(this.#within(st, node));
    } finally {
      this.say(`out of ${st.p}`);
    }
  }

  async #asyncItems(st: Of<'items'>, node: Node): Promise<Returned> {
    const slot = this.get(st.p, 'p')?.obj as asyncio.Queue<unknown> | undefined;
    if (slot === undefined) return this.#skip();
    let n = 0;
    for await (const item of slot) {
      this.say(`item ${this.fmt(item)}`);
      const returned = await this.#asyncSub(st.block ?? [], node);
      if (returned !== undefined) return returned;
      if (++n === st.n) break;
    }
    this.say(`items ${n}`);
    return undefined;
  }

  // Shared by both

  #skip(): undefined {
    this.say('skip');
  }

  #awaitable(st: Of<'await'>, node: Node): [asyncio.Awaitable<unknown>, Node[]] {
    // What is no body is an awaitable object of the library: a future or one of its own coroutines.
    const [aw, deps] = this.makeAw(st.aw, node);
    if (aw instanceof asyncio.Future) this.put(st.s, { kind: 'f', obj: aw, node: deps[0] as Node });
    return [aw as asyncio.Awaitable<unknown>, deps];
  }

  #timeout(st: Of<'timeout'>): asyncio.Timeout {
    const manager = st.at === true ? asyncio.timeoutAt(st.d) : asyncio.timeout(st.d);
    this.put(st.s, { kind: 'm', obj: manager });
    return manager;
  }
}
