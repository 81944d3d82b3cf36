/**
 * The programs that the conformance suite runs three times: in CPython, as generators and as async functions.
 * A program is plain data (JSON): a block of statements that create tasks, futures, groups, ... in named
 * *slots* and wait for them. A statement whose slot is still empty does nothing, so that every program is valid.
 */

/** What coroutines return and futures are set to. */
export type Value = number | string | null;

export type ErrorName =
  | 'ValueError'
  | 'RuntimeError'
  | 'CustomError'
  | 'CancelledError'
  | 'TimeoutError'
  | 'SystemExit'
  | 'KeyboardInterrupt';

export type ReturnWhen = 'FIRST_COMPLETED' | 'FIRST_EXCEPTION' | 'ALL_COMPLETED';

/** Which errors a handler takes; `exc` is what Python's `except Exception` takes, `base` is everything. */
export type Catch = 'cancel' | 'timeout' | 'value' | 'group' | 'exc' | 'base';

export type Block = Stmt[];

/** What a queue holds. Those of one queue can be compared with each other. */
export type Item = number | string | boolean | readonly Item[];

export type PrimitiveType =
  | 'Lock'
  | 'Event'
  | 'Condition'
  | 'Semaphore'
  | 'BoundedSemaphore'
  | 'Barrier'
  | 'Queue'
  | 'PriorityQueue'
  | 'LifoQueue';

/** Operations of primitives that don't wait. */
export type Call =
  | 'release'
  | 'locked'
  | 'set'
  | 'clear'
  | 'is_set'
  | 'notify'
  | 'notify_all'
  | 'n_waiting'
  | 'broken'
  | 'put_nowait'
  | 'get_nowait'
  | 'task_done'
  | 'shutdown'
  | 'qsize'
  | 'empty'
  | 'full'
  | 'text';

/** Operations that may wait. */
export type Operation = 'acquire' | 'wait' | 'wait_for' | 'reset' | 'abort' | 'put' | 'get' | 'join';

/** Gives the value of the cell, and from its call `n` on something truthy or the error `e`. */
export interface Predicate {
  cell: string;
  n: number;
  e?: ErrorName;
}

export type Coro =
  | { k: 'body'; block: Block }
  | { k: 'sleep'; d: number; r?: Value }
  | { k: 'wait_for'; aw: Aw; t: number | null }
  | { k: 'wait'; fs: string[]; t?: number | null; rw: ReturnWhen }
  /**
   * An operation of the primitive in slot `p`. `index` keeps the result of a barrier's `wait`, which differs from
   * CPython's after a party was cancelled.
   */
  | { k: 'op'; p: string; op: Operation; item?: Item; predicate?: Predicate; index?: boolean };

export type Aw =
  | Coro
  | { k: 'slot'; s: string }
  | { k: 'gather'; aws: Aw[]; re?: boolean; s?: string }
  | { k: 'shield'; aw: Aw; s?: string }
  /** The object at place `i` of the list it stands in, once more. */
  | { k: 'dup'; i: number };

export interface TaskOptions {
  name?: string;
  /** The slot of a context to run in. */
  ctx?: string;
  eager?: boolean;
}

/** Statements that don't wait; callbacks are made of these alone. `loud` lets an error out, else it is traced. */
export type Sync =
  | { k: 'log'; v: Value }
  | ({ k: 'spawn'; s: string; coro: Coro; ensure?: boolean } & TaskOptions)
  | { k: 'future'; s: string }
  | { k: 'make'; s: string; aw: Aw }
  | { k: 'cancel'; s: string; msg?: Value }
  | { k: 'cancel_self'; msg?: Value }
  | { k: 'uncancel'; s?: string }
  | { k: 'query'; s: string; how: 'state' | 'result' | 'exception' }
  | { k: 'set'; s: string; v: Value; guard?: boolean; loud?: boolean }
  | { k: 'fail'; s: string; e: ErrorName; v: Value; guard?: boolean; loud?: boolean }
  | { k: 'soon'; do: Sync[]; s?: string; ctx?: string }
  | { k: 'later'; d: number; do: Sync[]; s?: string; ctx?: string }
  | { k: 'at'; t: number; do: Sync[]; s?: string; ctx?: string }
  | { k: 'cancel_handle'; s: string }
  | { k: 'add_cb'; s: string; tag: string; do?: Sync[]; ctx?: string }
  | { k: 'remove_cb'; s: string; tag: string }
  | { k: 'callbacks'; s: string }
  | { k: 'reschedule'; s: string; d: number | null }
  | { k: 'when'; s: string }
  | ({ k: 'tg_spawn'; g: string; s: string; coro: Coro; loud?: boolean } & TaskOptions)
  | { k: 'tg_show'; g: string }
  | { k: 'cv_set'; i: number; v: Value; tok?: string }
  | { k: 'cv_get'; i: number }
  | { k: 'cv_reset'; tok: string }
  | { k: 'ctx'; s: string }
  | { k: 'ctx_run'; s: string; do: Sync[] }
  | { k: 'set_name'; s: string; name: string }
  | { k: 'tasks' }
  | { k: 'cancelling' }
  | { k: 'factory'; eager: boolean }
  /** `n` is the value of a semaphore, the parties of a barrier, the maxsize of a queue; `lock` a condition's. */
  | { k: 'primitive'; s: string; type: PrimitiveType; n?: number; lock?: string }
  | { k: 'call'; p: string; op: Call; item?: Item; n?: number; immediate?: boolean; loud?: boolean }
  | { k: 'cell'; s: string; v: Value }
  | { k: 'raise'; e: ErrorName; v: Value };

export type Stmt =
  | Sync
  | { k: 'sleep'; d: number; r?: Value }
  /**
   * `itself` lets a task await itself. Random programs don't: CPython leaves that task in a state in which every
   * other task that awaits it fails, too ("await wasn't used with future").
   */
  | { k: 'await'; aw: Aw; s?: string; itself?: boolean }
  | { k: 'wait'; fs: string[]; t?: number | null; rw: ReturnWhen }
  | { k: 'wait_for'; aw: Aw; t: number | null }
  | { k: 'timeout'; s: string; d: number | null; at?: boolean; block: Block }
  | { k: 'group'; s: string; block: Block }
  | { k: 'reenter'; s: string }
  | { k: 'as_completed'; aws: Aw[]; t?: number | null; mode: 'for' | 'async for'; n?: number; block?: Block }
  | { k: 'try'; block: Block; what?: Catch; handler?: Block; then?: 'swallow' | 'reraise'; finally?: Block }
  | { k: 'repeat'; n: number; block: Block }
  /** `async with` a primitive. */
  | { k: 'with'; p: string; block: Block }
  /** Takes items, `n` at most, until the queue is shut down. */
  | { k: 'items'; p: string; n?: number; block?: Block }
  | { k: 'return'; v: Value };

export interface Program {
  seed: number;
  /** How many context variables there are; each has the default '-'. */
  vars: number;
  /** Whether the loop starts tasks eagerly. */
  eager: boolean;
  main: Block;
}

/** What a run leaves behind. */
export interface Outcome {
  /** Everything observable, in order: time, current task, event. */
  trace: string[];
  /** Errors that nobody retrieved and tasks that never ended, sorted, since nothing fixes their order. */
  reports: string[];
}
