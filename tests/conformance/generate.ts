/** Random programs: small, ended by construction, dense in collisions of times and of cancellations. */

import type {
  Aw,
  Block,
  Catch,
  Coro,
  ErrorName,
  Program,
  ReturnWhen,
  Stmt,
  Sync,
  TaskOptions,
  Value,
} from './ast.ts';
import { PRIMITIVES, PrimitiveGrammar, type PrimitiveFeature } from './generate-primitives.ts';
import { Names } from './names.ts';
import { Random } from './random.ts';

/** Few different times, so that many things happen at one instant. */
const DELAYS = [0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2, 3, -1] as const;
const MESSAGES = [null, null, 'm', 'n', 5] as const;

type Feature =
  | 'cancel'
  | 'future'
  | 'group'
  | 'timeout'
  | 'gather'
  | 'shield'
  | 'wait'
  | 'completed'
  | 'context'
  | 'callback';
const FEATURES: readonly Feature[] = [
  'cancel',
  'future',
  'group',
  'timeout',
  'gather',
  'shield',
  'wait',
  'completed',
  'context',
  'callback',
];

export interface GenerateOptions {
  /** Tasks that start at their creation. */
  eager: boolean;
  /** Primitives that every program is to be about; if not said, half of the programs choose some. */
  primitives?: readonly PrimitiveFeature[] | undefined;
}

/** The program of a seed, always the same. */
export function generate(seed: number, options: GenerateOptions = { eager: false }): Program {
  return new Generator(seed, options).program();
}

class Generator {
  readonly #random: Random;
  readonly #seed: number;
  readonly #eager: boolean;
  readonly #weight: Record<Feature, number>;
  /** Statements that may still be made. */
  #budget: number;
  readonly #names: Names;
  readonly #primitives: PrimitiveGrammar;
  #tags = 0;

  constructor(seed: number, options: GenerateOptions) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#eager = options.eager;
    this.#budget = 8 + this.#random.below(40);
    // Every program is fond of some features, so that these meet each other often.
    const favourites = new Set([1, 2, 3].map(() => this.#random.pick(FEATURES)));
    this.#weight = Object.fromEntries(FEATURES.map((f) => [f, favourites.has(f) ? 4 : 0.6])) as Record<
      Feature,
      number
    >;
    this.#names = new Names(this.#random);
    this.#primitives = new PrimitiveGrammar(this.#random, this.#names, this.#fondOf(options.primitives), {
      block: (depth, length) => this.#block(depth, length),
      turnsLater: (action) => this.#turnsLater(action),
    });
  }

  /** One or two of the primitives, for half of the programs. */
  #fondOf(wanted: readonly PrimitiveFeature[] | undefined): PrimitiveFeature[] {
    const random = this.#random;
    if (wanted === undefined && random.chance(0.5)) return [];
    const chosen = [1, 2].map(() => random.pick(wanted ?? [...PRIMITIVES, 'queue']));
    // Locks first, since a condition may be made with one.
    return PRIMITIVES.filter((feature) => chosen.includes(feature));
  }

  program(): Program {
    const main: Block = [];
    const random = this.#random;
    main.push(...this.#primitives.head());
    for (let i = random.below(3); i > 0; i--) main.push({ k: 'future', s: this.#names.new('f') });
    for (let i = 1 + random.below(3); i > 0; i--) main.push(this.#spawn(2));
    if (this.#primitives.exists) main.push(...this.#aroundPrimitives());
    else main.push(...this.#block(3, 3 + random.below(6)));
    const tasks = Array.from({ length: this.#names.made.t }, (_, i) => `t${i + 1}`);
    if (random.chance(0.7)) main.push({ k: 'wait', fs: tasks, t: 8, rw: 'ALL_COMPLETED' });
    if (random.chance(0.3)) for (let i = 0; i < 3; i++) main.push({ k: 'callbacks', s: this.#any() });
    return { seed: this.#seed, vars: 2, eager: this.#eager && random.chance(0.5), main };
  }

  /** Any slot with something to wait for. */
  #any(): string {
    const { t, f, a } = this.#names.made;
    return this.#names.old(this.#random.weighted({ t: t + 0.1, f: f * this.#weight.future, a }));
  }

  /** Meetings first, and after an error the main function goes on: else most programs were over before they begin. */
  #aroundPrimitives(): Block {
    const random = this.#random;
    const meetings = Array.from({ length: 1 + random.below(2) }, () => this.#primitives.meeting()).flat();
    const block = this.#block(3, 3 + random.below(6));
    if (random.chance(0.3)) return [...meetings, ...block];
    return [...meetings, { k: 'try', block, what: random.pick(['exc', 'base']), then: 'swallow' }];
  }

  #delay(): number {
    return this.#random.pick(DELAYS);
  }

  #value(): Value {
    return this.#random.pick([null, 1, 2, 'v', 'w']);
  }

  #message(): { msg?: Value } {
    const msg = this.#random.pick(MESSAGES);
    return msg === null ? {} : { msg };
  }

  #error(): ErrorName {
    return this.#random.weighted({
      ValueError: 10,
      CustomError: 4,
      RuntimeError: 2,
      CancelledError: 1.5,
      TimeoutError: 0.8,
      SystemExit: 0.1,
      KeyboardInterrupt: 0,
    });
  }

  // Blocks

  #block(depth: number, length: number): Block {
    const block: Block = [];
    for (let i = 0; i < length && this.#budget > 0; i++) {
      this.#budget--;
      if (depth > 0 && this.#random.chance(0.06)) {
        block.push(...this.#meeting());
        continue;
      }
      if (this.#primitives.exists && depth > 0 && this.#random.chance(0.2)) {
        if (this.#random.chance(0.7)) block.push(...this.#primitives.scope(depth));
        else {
          this.#budget -= 4;
          block.push(...this.#primitives.meeting());
        }
        continue;
      }
      const statement = this.#statement(depth);
      block.push(statement);
      // What a wait leaves behind.
      const s = statement.k === 'wait' ? statement.fs[0] : undefined;
      if (s !== undefined && this.#random.chance(0.4)) block.push({ k: 'callbacks', s });
    }
    return block;
  }

  /** Things that chance alone rarely brings together: several causes that meet at nearly one time. */
  #meeting(): Block {
    const random = this.#random;
    this.#budget -= 3;
    const when = random.pick([0, 1, 2]);
    const nearly = (): number => Math.max(0, when + random.pick([0, 0, 0, 0.5, -0.5, 1]));
    const t = this.#names.new('t');
    const task = (block: Block): Sync => ({
      k: 'spawn',
      s: t,
      name: t.toUpperCase(),
      coro: { k: 'body', block },
    });
    const cancel = (s: string): Sync => ({
      k: 'later',
      d: nearly(),
      do: this.#turnsLater({ k: 'cancel', s, msg: 'met' }),
    });
    /** A suspension that may answer a cancellation. */
    const victim = (): Stmt => {
      const block: Block = [{ k: 'sleep', d: 9 }];
      const handler = this.#block(0, random.below(3));
      const then = random.pick(['swallow', 'reraise'] as const);
      return random.chance(0.5) ? { k: 'try', block, what: 'cancel', handler, then } : (block[0] as Stmt);
    };
    const failing = (): Coro => ({
      k: 'body',
      block: [
        { k: 'sleep', d: nearly() },
        { k: 'raise', e: 'ValueError', v: 'met' },
      ],
    });
    switch (random.weighted({ group: 3, timeout: 3, shield: 2, gather: 2, future: 1 })) {
      case 'group': {
        const g = this.#names.new('g');
        const children = Array.from({ length: 1 + random.below(2) }, (): Sync => {
          const coro: Coro = random.chance(0.6) ? failing() : { k: 'body', block: [victim()] };
          return { k: 'tg_spawn', g, s: this.#names.new('t'), coro };
        });
        const group: Stmt = { k: 'group', s: g, block: [...children, victim()] };
        const caught: Stmt = {
          k: 'try',
          block: [group],
          what: 'group',
          handler: [{ k: 'cancelling' }],
          then: 'swallow',
        };
        return [task([caught, { k: 'sleep', d: random.below(2) }, { k: 'log', v: 'went on' }]), cancel(t)];
      }
      case 'timeout': {
        let block: Block = [victim()];
        for (let i = 1 + random.below(2); i > 0; i--)
          block = [{ k: 'timeout', s: this.#names.new('m'), d: nearly(), block }];
        const caught: Stmt = {
          k: 'try',
          block,
          what: 'timeout',
          handler: [{ k: 'cancelling' }],
          then: 'swallow',
        };
        return [
          task([caught, { k: 'sleep', d: random.below(2) }, { k: 'cancelling' }]),
          ...(random.chance(0.7) ? [cancel(t)] : []),
        ];
      }
      case 'shield': {
        const outers = Array.from({ length: 1 + random.below(3) }, () => this.#names.new('a'));
        const inner: Sync = { k: 'spawn', s: t, name: t.toUpperCase(), coro: failing() };
        return [
          inner,
          ...outers.map((s): Sync => ({ k: 'make', s, aw: { k: 'shield', aw: { k: 'slot', s: t } } })),
          ...outers.filter(() => random.chance(0.7)).map(cancel),
          ...(random.chance(0.5) ? [cancel(t)] : []),
        ];
      }
      case 'gather': {
        const a = this.#names.new('a');
        const children = Array.from(
          { length: 2 + random.below(2) },
          (): Coro => (random.chance(0.3) ? failing() : { k: 'body', block: [victim()] }),
        );
        const aw: Aw = { k: 'gather', aws: children, ...(random.chance(0.5) ? { re: true } : {}) };
        return [{ k: 'make', s: a, aw }, cancel(a), task([{ k: 'await', aw: { k: 'slot', s: a } }])];
      }
      case 'future': {
        const f = this.#names.new('f');
        const set: Sync = {
          k: 'later',
          d: nearly(),
          do: this.#turnsLater({ k: 'set', s: f, v: 'met', guard: true }),
        };
        const wait: Stmt = { k: 'wait_for', aw: { k: 'slot', s: f }, t: nearly() };
        return [{ k: 'future', s: f }, task([wait]), set, ...(random.chance(0.7) ? [cancel(t)] : [])];
      }
    }
  }

  /** The action, some turns of the loop later. */
  #turnsLater(action: Sync): Sync[] {
    let actions = [action];
    for (let i = this.#random.pick([0, 0, 1, 2, 3]); i > 0; i--) actions = [{ k: 'soon', do: actions }];
    return actions;
  }

  #small(depth: number): Block {
    return this.#block(depth - 1, 1 + this.#random.below(4));
  }

  #body(depth: number): Block {
    const random = this.#random;
    const block: Block = this.#small(depth);
    if (random.chance(0.25)) block.unshift({ k: 'sleep', d: this.#delay() });
    if (random.chance(0.3)) block.push({ k: 'return', v: this.#value() });
    else if (random.chance(0.25)) block.push({ k: 'raise', e: this.#error(), v: `e${random.below(4)}` });
    return block;
  }

  #actions(depth: number): Sync[] {
    const actions: Sync[] = [];
    for (let i = 1 + this.#random.below(2); i > 0; i--) actions.push(this.#sync(Math.min(depth, 1)));
    return actions;
  }

  #statement(depth: number): Stmt {
    const w = this.#weight;
    const deep = depth > 0 ? 1 : 0;
    const kind = this.#random.weighted({
      sync: 9 + w.cancel + w.context + w.callback + w.future,
      primitive: this.#primitives.exists ? 6 : 0,
      sleep: 7,
      await: 5 + w.gather + w.shield,
      wait: 1.5 * w.wait,
      wait_for: 1.5 * w.timeout,
      timeout: 2 * w.timeout * deep,
      group: 2 * w.group * deep,
      as_completed: w.completed,
      try: 4 * deep,
      repeat: 0.7 * deep,
      reenter: 0.1,
    });
    switch (kind) {
      case 'sync':
        return this.#sync(depth);
      case 'primitive':
        return this.#random.chance(0.6) ? this.#primitives.sync() : this.#primitives.wait();
      case 'sleep':
        return { k: 'sleep', d: this.#delay(), ...(this.#random.chance(0.1) ? { r: this.#value() } : {}) };
      case 'await':
        return {
          k: 'await',
          aw: this.#aw(depth),
          ...(this.#random.chance(0.3) ? { s: this.#names.new('a') } : {}),
        };
      case 'wait':
        return this.#wait();
      case 'wait_for':
        return { k: 'wait_for', aw: this.#aw(depth), t: this.#limit() };
      case 'timeout':
        return this.#timeout(depth);
      case 'group':
        return this.#group(depth);
      case 'as_completed':
        return this.#asCompleted(depth);
      case 'try':
        return this.#try(depth);
      case 'repeat':
        return { k: 'repeat', n: 2 + this.#random.below(2), block: this.#small(depth) };
      case 'reenter':
        return { k: 'reenter', s: this.#names.old(this.#random.pick(['m', 'g'])) };
    }
  }

  #limit(): number | null {
    return this.#random.pick([0, -1, 0.5, 1, 1, 1, 2, 2, 3, null]);
  }

  #timeout(depth: number): Stmt {
    const s = this.#names.new('m');
    const block = this.#small(depth);
    if (this.#random.chance(0.3)) {
      const d = this.#random.pick([null, 0, -1, 0.5, 1, 2]);
      const reschedule: Sync = { k: 'reschedule', s, d };
      const at = this.#random.below(block.length + 1);
      block.splice(
        at,
        0,
        this.#random.chance(0.5) ? reschedule : { k: 'later', d: this.#delay(), do: [reschedule] },
      );
    }
    const d = this.#random.pick([0, -1, 0.5, 1, 1, 1, 2, 2, 3, null]);
    return { k: 'timeout', s, d, ...(this.#random.chance(0.1) ? { at: true } : {}), block };
  }

  #group(depth: number): Stmt {
    const g = this.#names.new('g');
    const block: Block = [];
    for (let i = 1 + this.#random.below(3); i > 0; i--) block.push(this.#groupSpawn(g, depth));
    block.push(...this.#small(depth));
    return { k: 'group', s: g, block };
  }

  #groupSpawn(g: string, depth: number): Sync {
    const coro = this.#coro(depth);
    const s = this.#names.new('t');
    const loud = this.#random.chance(0.2) ? { loud: true } : {};
    return { k: 'tg_spawn', g, s, coro, ...this.#options(s), ...loud };
  }

  #asCompleted(depth: number): Stmt {
    const random = this.#random;
    const t = random.chance(0.5) ? this.#limit() : null;
    return {
      k: 'as_completed',
      aws: this.#list(depth),
      t,
      mode: random.pick(['for', 'async for']),
      ...(random.chance(0.2) ? { n: 1 + random.below(2) } : {}),
      ...(random.chance(0.3) ? { block: this.#block(depth - 1, 1) } : {}),
    };
  }

  #try(depth: number): Stmt {
    const random = this.#random;
    const statement: Stmt = { k: 'try', block: this.#small(depth) };
    if (random.chance(0.85)) {
      const what: Record<Catch, number> = { cancel: 8, timeout: 2, value: 2, group: 1, exc: 2, base: 2 };
      statement.what = random.weighted(what);
      if (random.chance(0.6)) statement.handler = this.#block(depth - 1, 1 + random.below(2));
      if (random.chance(0.15)) statement.handler = [{ k: 'raise', e: 'ValueError', v: 'instead' }];
      statement.then = random.pick(['swallow', 'reraise']);
    }
    if (statement.what === undefined || random.chance(0.3))
      statement.finally = this.#block(depth - 1, 1 + random.below(2));
    return statement;
  }

  #wait(): Stmt & Coro {
    const random = this.#random;
    const fs = Array.from({ length: 1 + random.below(4) }, () => this.#any());
    const rw: ReturnWhen = random.pick(['FIRST_COMPLETED', 'FIRST_EXCEPTION', 'ALL_COMPLETED']);
    return { k: 'wait', fs, t: random.chance(0.5) ? this.#limit() : null, rw };
  }

  // Coroutines and awaitables

  #coro(depth: number): Coro {
    const kind = this.#random.weighted({
      body: depth > 0 ? 6 : 0.5,
      sleep: 2,
      wait_for: depth > 0 ? 0.3 * this.#weight.timeout : 0,
      wait: 0.2 * this.#weight.wait,
      op: this.#primitives.exists ? 3 : 0,
    });
    switch (kind) {
      case 'body':
        return { k: 'body', block: this.#body(depth) };
      case 'sleep':
        return { k: 'sleep', d: this.#delay(), r: this.#value() };
      case 'wait_for':
        return { k: 'wait_for', aw: this.#aw(depth - 1), t: this.#limit() };
      case 'wait':
        return this.#wait();
      case 'op':
        return this.#primitives.operation();
    }
  }

  #aw(depth: number): Aw {
    const w = this.#weight;
    const kind = this.#random.weighted({
      slot: 6,
      coro: 4,
      gather: depth > 0 ? w.gather : 0,
      shield: w.shield,
    });
    switch (kind) {
      case 'slot':
        return { k: 'slot', s: this.#any() };
      case 'coro':
        return this.#coro(depth);
      default:
        return this.#future(kind, depth);
    }
  }

  #future(kind: 'gather' | 'shield', depth: number): Aw {
    const s = this.#random.chance(0.7) ? { s: this.#names.new('a') } : {};
    if (kind === 'shield') {
      return {
        k: 'shield',
        aw: this.#random.chance(0.6) ? { k: 'slot', s: this.#any() } : this.#coro(depth),
        ...s,
      };
    }
    return { k: 'gather', aws: this.#list(depth), ...(this.#random.chance(0.4) ? { re: true } : {}), ...s };
  }

  #list(depth: number): Aw[] {
    const random = this.#random;
    const aws: Aw[] = [];
    for (let i = random.below(4) + (random.chance(0.9) ? 1 : 0); i > 0; i--) {
      if (aws.length > 0 && random.chance(0.08)) aws.push({ k: 'dup', i: random.below(aws.length) });
      else aws.push(this.#aw(depth - 1));
    }
    return aws;
  }

  // Statements that don't wait

  #options(name: string): TaskOptions {
    const random = this.#random;
    return {
      ...(random.chance(0.9) ? { name: name.toUpperCase() } : {}),
      // An eager start in a context that is entered already fails in CPython, and leaves a wrong current task behind
      // for good: random programs keep off it.
      ...(!this.#eager && this.#names.made.c > 0 && random.chance(0.15 * this.#weight.context)
        ? { ctx: this.#names.old('c') }
        : {}),
      ...(this.#eager && random.chance(0.4) ? { eager: random.chance(0.8) } : {}),
    };
  }

  #spawn(depth: number): Sync {
    const coro = this.#coro(depth);
    const s = this.#names.new('t');
    if (this.#random.chance(0.08)) return { k: 'spawn', s, coro, ensure: true };
    return { k: 'spawn', s, coro, ...this.#options(s) };
  }

  #where(): { s?: string; ctx?: string } {
    return {
      ...(this.#random.chance(0.3) ? { s: this.#names.new('h') } : {}),
      ...(this.#names.made.c > 0 && this.#random.chance(0.2) ? { ctx: this.#names.old('c') } : {}),
    };
  }

  #sync(depth: number): Sync {
    const w = this.#weight;
    const random = this.#random;
    const { g, m, h, k, c } = this.#names.made;
    const deep = depth > 0 ? 1 : 0;
    const kind = random.weighted({
      log: 0.5,
      spawn: 3 * deep,
      future: w.future,
      make: (w.gather + w.shield) * 0.7 * deep,
      cancel: 4 * w.cancel + 1,
      cancel_self: 0.7 * w.cancel,
      uncancel: 0.6 * w.cancel,
      query: 2,
      set: 2 * w.future,
      fail: w.future,
      soon: 0.7 * w.callback * deep,
      later: 1.2 * w.callback * deep,
      at: 0.5 * w.callback * deep,
      cancel_handle: h > 0 ? 0.5 * w.callback : 0,
      add_cb: 1.2 * w.callback * deep,
      remove_cb: this.#tags > 0 ? 0.7 * w.callback : 0,
      callbacks: 0.4,
      reschedule: m > 0 ? 1.2 * w.timeout : 0,
      when: m > 0 ? 0.3 * w.timeout : 0,
      tg_spawn: g > 0 ? 1.5 * w.group * deep : 0,
      tg_show: g > 0 ? 0.3 * w.group : 0,
      cv_set: w.context,
      cv_get: w.context,
      cv_reset: k > 0 ? 0.6 * w.context : 0,
      ctx: 0.4 * w.context,
      ctx_run: c > 0 ? 0.7 * w.context * deep : 0,
      set_name: 0.2,
      tasks: 0.3,
      cancelling: 0.6,
      factory: this.#eager ? 0.3 : 0,
      raise: 0.8,
      primitive: this.#primitives.exists ? 3 : 0,
    });
    switch (kind) {
      case 'log':
        return { k: 'log', v: this.#value() };
      case 'primitive':
        return this.#primitives.sync();
      case 'spawn':
        return this.#spawn(depth);
      case 'future':
        return { k: 'future', s: random.chance(0.8) ? this.#names.new('f') : this.#names.old('f') };
      case 'make':
        return {
          k: 'make',
          s: this.#names.new('a'),
          aw: this.#future(random.pick(['gather', 'shield']), depth),
        };
      case 'cancel':
        return { k: 'cancel', s: this.#any(), ...this.#message() };
      case 'cancel_self':
        return { k: 'cancel_self', ...this.#message() };
      case 'uncancel':
        return { k: 'uncancel', ...(random.chance(0.4) ? { s: this.#names.old('t') } : {}) };
      case 'query':
        return { k: 'query', s: this.#any(), how: random.pick(['state', 'state', 'result', 'exception']) };
      case 'set':
        return {
          k: 'set',
          s: random.chance(0.9) ? this.#names.old('f') : this.#any(),
          v: this.#value(),
          ...this.#strict(),
        };
      case 'fail':
        return {
          k: 'fail',
          s: this.#names.old('f'),
          e: this.#error(),
          v: `f${random.below(4)}`,
          ...this.#strict(),
        };
      case 'soon':
        return { k: 'soon', do: this.#actions(depth - 1), ...this.#where() };
      case 'later':
        return { k: 'later', d: this.#delay(), do: this.#actions(depth - 1), ...this.#where() };
      case 'at':
        return { k: 'at', t: random.pick([0, 0.5, 1, 2, 3]), do: this.#actions(depth - 1), ...this.#where() };
      case 'cancel_handle':
        return { k: 'cancel_handle', s: this.#names.old('h') };
      case 'add_cb': {
        const actions = random.chance(0.5) ? { do: this.#actions(depth - 1) } : {};
        const ctx = c > 0 && random.chance(0.2) ? { ctx: this.#names.old('c') } : {};
        return { k: 'add_cb', s: this.#any(), tag: this.#tag(0.8), ...actions, ...ctx };
      }
      case 'remove_cb':
        return { k: 'remove_cb', s: this.#any(), tag: this.#tag(0) };
      case 'callbacks':
        return { k: 'callbacks', s: this.#any() };
      case 'reschedule':
        return { k: 'reschedule', s: this.#names.old('m'), d: random.pick([null, 0, -1, 0.5, 1, 2]) };
      case 'when':
        return { k: 'when', s: this.#names.old('m') };
      case 'tg_spawn':
        return this.#groupSpawn(this.#names.old('g'), depth - 1);
      case 'tg_show':
        return { k: 'tg_show', g: this.#names.old('g') };
      case 'cv_set':
        return {
          k: 'cv_set',
          i: random.below(2),
          v: random.below(5),
          ...(random.chance(0.5) ? { tok: this.#names.new('k') } : {}),
        };
      case 'cv_get':
        return { k: 'cv_get', i: random.below(2) };
      case 'cv_reset':
        return { k: 'cv_reset', tok: this.#names.old('k') };
      case 'ctx':
        return { k: 'ctx', s: this.#names.new('c') };
      case 'ctx_run':
        return { k: 'ctx_run', s: this.#names.old('c'), do: this.#actions(depth - 1) };
      case 'set_name':
        return { k: 'set_name', s: this.#names.old('t'), name: 'renamed' };
      case 'tasks':
        return { k: 'tasks' };
      case 'cancelling':
        return { k: 'cancelling' };
      case 'factory':
        return { k: 'factory', eager: random.chance(0.5) };
      case 'raise':
        return { k: 'raise', e: this.#error(), v: `e${random.below(4)}` };
    }
  }

  #strict(): { guard?: boolean; loud?: boolean } {
    return this.#random.pick([{}, { guard: true }, { guard: true }, { loud: true }]);
  }

  #tag(fresh: number): string {
    if (this.#tags === 0 || this.#random.chance(fresh)) this.#tags++;
    return `c${1 + this.#random.below(this.#tags)}`;
  }
}
