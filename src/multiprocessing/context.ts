/** Start methods, of which there is one, and what the machine has. Counterpart: `multiprocessing/context.py`. */
import { RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';

/** How processes start: a new Node that imports what it calls. A Node process cannot be forked. */
export type StartMethod = 'spawn';

const METHODS: readonly StartMethod[] = ['spawn'];

let chosen: StartMethod | null = null;

function known(method: string): StartMethod {
  if ((METHODS as readonly string[]).includes(method)) return method as StartMethod;
  throw new RangeError(`cannot find context for ${repr(method)}`);
}

/**
 * The start methods there are.
 *
 * Source: CPython 3.14 `multiprocessing.get_all_start_methods`.
 */
export function getAllStartMethods(): StartMethod[] {
  return [...METHODS];
}

/**
 * How processes start here.
 *
 * @param allowNone - true: null as long as nobody has chosen or asked.
 *
 * Source: CPython 3.14 `multiprocessing.get_start_method`.
 */
export function getStartMethod(allowNone = false): StartMethod | null {
  if (chosen === null && !allowNone) chosen = 'spawn';
  return chosen;
}

/**
 * Choose how processes start; once.
 *
 * @param method - `'spawn'`; null with `force`: forget the choice.
 * @throws RuntimeError when it is chosen already; RangeError for methods that do not exist here (`fork`, `forkserver`).
 *
 * Source: CPython 3.14 `multiprocessing.set_start_method`.
 */
export function setStartMethod(method: string | null, force = false): void {
  if (chosen !== null && !force) throw new RuntimeError('context has already been set');
  chosen = method === null ? null : known(method);
}

/** @internal For `getContext`. */
export function checkMethod(method: string): void {
  known(method);
}

/**
 * How many CPUs the machine has. `os.availableParallelism()` says how many of them this process may use.
 *
 * Source: CPython 3.14 `multiprocessing.cpu_count`.
 */
export function cpuCount(): number {
  return process.getBuiltinModule('node:os').cpus().length;
}

/**
 * Does nothing: it is for programs that are frozen into an executable on Windows.
 *
 * Source: CPython 3.14 `multiprocessing.freeze_support`.
 */
export function freezeSupport(): void {}
