/** What Python's threads have and a worker's host does not offer. */
import { NotImplementedError } from '../core/exceptions.ts';

function refuse(name: string, reason: string): never {
  throw new NotImplementedError(`${name}(): ${reason}`);
}

const NO_TRACING = 'JavaScript has no hook for each line or call: use the debugger of node:inspector';
const NO_PROFILING = 'JavaScript has no hook for each call: use the CPU profiler of node:inspector';

/** Throws: the host does not tell the kernel's id of a thread; `getIdent` comes nearest. */
export function getNativeId(): never {
  return refuse('getNativeId', 'Node does not tell the id that the kernel gives a thread: use getIdent()');
}

/** Throws: there is no such hook. Source: CPython 3.14 `threading.settrace`. */
export function settrace(_func: unknown): never {
  return refuse('settrace', NO_TRACING);
}

/** Throws, as `settrace`. Source: CPython 3.14 `threading.gettrace`. */
export function gettrace(): never {
  return refuse('gettrace', NO_TRACING);
}

/** Throws, as `settrace`. Source: CPython 3.14 `threading.settrace_all_threads`. */
export function settraceAllThreads(_func: unknown): never {
  return refuse('settraceAllThreads', NO_TRACING);
}

/** Throws: there is no such hook. Source: CPython 3.14 `threading.setprofile`. */
export function setprofile(_func: unknown): never {
  return refuse('setprofile', NO_PROFILING);
}

/** Throws, as `setprofile`. Source: CPython 3.14 `threading.getprofile`. */
export function getprofile(): never {
  return refuse('getprofile', NO_PROFILING);
}

/** Throws, as `setprofile`. Source: CPython 3.14 `threading.setprofile_all_threads`. */
export function setprofileAllThreads(_func: unknown): never {
  return refuse('setprofileAllThreads', NO_PROFILING);
}
