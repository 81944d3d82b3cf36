/** Short words to write programs with. */

import type {
  Aw,
  Block,
  Call,
  Catch,
  Coro,
  ErrorName,
  Item,
  Operation,
  PrimitiveType,
  Program,
  ReturnWhen,
  Stmt,
  Sync,
  TaskOptions,
  Value,
} from './ast.ts';

export function program(main: Block, options: { eager?: boolean; vars?: number } = {}): Program {
  return { seed: 0, vars: options.vars ?? 1, eager: options.eager ?? false, main };
}

/** A coroutine function, written where it is called. */
export const body = (...block: Block): Coro & Aw => ({ k: 'body', block });
export const sleep = (d: number, r: Value = null) => ({ k: 'sleep', d, r }) as const;
export const slot = (s: string): Aw => ({ k: 'slot', s });
export const waitFor = (aw: Aw | string, t: number | null) => ({ k: 'wait_for', aw: toAw(aw), t }) as const;
export const wait = (fs: string[], t: number | null = null, rw: ReturnWhen = 'ALL_COMPLETED') =>
  ({ k: 'wait', fs, t, rw }) as const;
export const gather = (aws: (Aw | string)[], re = false): Aw & { k: 'gather' } => ({
  k: 'gather',
  aws: aws.map(toAw),
  ...(re ? { re } : {}),
});
export const shield = (aw: Aw | string): Aw & { k: 'shield' } => ({ k: 'shield', aw: toAw(aw) });

function toAw(aw: Aw | string): Aw {
  return typeof aw === 'string' ? slot(aw) : aw;
}

/** Without a name the task is called like its slot. */
export const spawn = (s: string, coro: Coro, options: TaskOptions = {}): Sync => ({
  k: 'spawn',
  s,
  coro,
  name: s.toUpperCase(),
  ...options,
});
export const tgSpawn = (
  g: string,
  s: string,
  coro: Coro,
  options: TaskOptions & { loud?: boolean } = {},
): Sync => ({
  k: 'tg_spawn',
  g,
  s,
  coro,
  name: s.toUpperCase(),
  ...options,
});
export const future = (s: string): Sync => ({ k: 'future', s });
export const make = (s: string, aw: Aw): Sync => ({ k: 'make', s, aw });
export const awaits = (aw: Aw | string): Stmt => ({ k: 'await', aw: toAw(aw) });
/** Awaits and logs how it ends, whatever that is. */
export const ends = (aw: Aw | string): Stmt => ({
  k: 'try',
  block: [awaits(aw)],
  what: 'base',
  then: 'swallow',
});
export const log = (v: Value): Sync => ({ k: 'log', v });
export const cancel = (s: string, msg?: Value): Sync => ({
  k: 'cancel',
  s,
  ...(msg === undefined ? {} : { msg }),
});
export const cancelSelf = (msg?: Value): Sync => ({
  k: 'cancel_self',
  ...(msg === undefined ? {} : { msg }),
});
export const uncancel = (s?: string): Sync => ({ k: 'uncancel', ...(s === undefined ? {} : { s }) });
export const cancelling: Sync = { k: 'cancelling' };
export const state = (s: string): Sync => ({ k: 'query', s, how: 'state' });
export const result = (s: string): Sync => ({ k: 'query', s, how: 'result' });
export const exception = (s: string): Sync => ({ k: 'query', s, how: 'exception' });
export const set = (s: string, v: Value): Sync => ({ k: 'set', s, v });
export const fail = (s: string, e: ErrorName = 'ValueError', v: Value = s): Sync => ({ k: 'fail', s, e, v });
export const soon = (...actions: Sync[]): Sync => ({ k: 'soon', do: actions });
export const at = (t: number, ...actions: Sync[]): Sync => ({ k: 'at', t, do: actions });
export const later = (d: number, ...actions: Sync[]): Sync => ({ k: 'later', d, do: actions });
export const addCallback = (s: string, tag: string, ...actions: Sync[]): Sync => ({
  k: 'add_cb',
  s,
  tag,
  do: actions,
});
export const removeCallback = (s: string, tag: string): Sync => ({ k: 'remove_cb', s, tag });
export const callbacks = (s: string): Sync => ({ k: 'callbacks', s });
export const reschedule = (s: string, d: number | null): Sync => ({ k: 'reschedule', s, d });
export const raise = (e: ErrorName, v: Value = 'raised'): Sync => ({ k: 'raise', e, v });
export const returns = (v: Value): Stmt => ({ k: 'return', v });
export const timeout = (s: string, d: number | null, ...block: Block): Stmt => ({
  k: 'timeout',
  s,
  d,
  block,
});
export const group = (s: string, ...block: Block): Stmt => ({ k: 'group', s, block });
export const asCompleted = (
  mode: 'for' | 'async for',
  aws: (Aw | string)[],
  t: number | null = null,
): Stmt => ({
  k: 'as_completed',
  aws: aws.map(toAw),
  t,
  mode,
});
export const repeat = (n: number, ...block: Block): Stmt => ({ k: 'repeat', n, block });

/** `try: ... except what: handler`, which swallows the error. */
export const attempt = (block: Block, what: Catch, ...handler: Block): Stmt => ({
  k: 'try',
  block,
  what,
  handler,
  then: 'swallow',
});
export const reraise = (block: Block, what: Catch, ...handler: Block): Stmt => ({
  k: 'try',
  block,
  what,
  handler,
  then: 'reraise',
});
export const finallyDo = (block: Block, ...last: Block): Stmt => ({ k: 'try', block, finally: last });

export const primitive = (s: string, type: PrimitiveType, n?: number): Sync => ({
  k: 'primitive',
  s,
  type,
  ...(n === undefined ? {} : { n }),
});
export const condition = (s: string, lock: string): Sync => ({ k: 'primitive', s, type: 'Condition', lock });
/** An operation that doesn't wait, with its result. */
export const call = (p: string, op: Call, n?: number): Sync => ({
  k: 'call',
  p,
  op,
  ...(n === undefined ? {} : { n }),
});
export const putNowait = (p: string, item: Item): Sync => ({ k: 'call', p, op: 'put_nowait', item });
export const shutdown = (p: string, immediate = false): Sync => ({ k: 'call', p, op: 'shutdown', immediate });
/** An operation that may wait. */
export const op = (p: string, name: Operation): Coro & Aw => ({ k: 'op', p, op: name });
export const put = (p: string, item: Item): Coro & Aw => ({ k: 'op', p, op: 'put', item });
/** A barrier's `wait` with its result. Not for barriers that a party leaves by a cancellation. */
export const arrive = (p: string): Coro & Aw => ({ k: 'op', p, op: 'wait', index: true });
/** A condition's `wait_for` of a truthy cell; it gives in at the call `n`. */
export const waitForCell = (p: string, cell: string, n = 9): Coro & Aw => ({
  k: 'op',
  p,
  op: 'wait_for',
  predicate: { cell, n },
});
export const cell = (s: string, v: Value): Sync => ({ k: 'cell', s, v });
/** `async with` a primitive. */
export const within = (p: string, ...block: Block): Stmt => ({ k: 'with', p, block });
