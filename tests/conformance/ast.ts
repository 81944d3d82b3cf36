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

export type Coro =
  | { k: 'body'; block: Block }
  | { k: 'sleep'; d: number; r?: Value }
  | { k: 'wait_for'; aw: Aw; t: number | null }
  | { k: 'wait'; fs: string[]; t?: number | null; rw: ReturnWhen };

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
