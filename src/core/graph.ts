/** Who awaits whom. Counterpart: `asyncio/graph.py`. */
import { coroutineName } from './coroutines.ts';
import { _getRunningLoop } from './events.ts';
import { RuntimeError } from './exceptions.ts';
import { extractStack, repr } from './format-helpers.ts';
import { Future, isfuture } from './futures.ts';
import { awaitPlace } from './task-notes.ts';
import { currentTask, Task } from './tasks.ts';
import type { StackFrame } from './types.ts';

/** One frame of a coroutine. Source: CPython 3.14 `asyncio.FrameCallGraphEntry`. */
export class FrameCallGraphEntry {
  /** A place in the source; there are no live frames in JavaScript. */
  readonly frame: StackFrame;

  constructor(frame: StackFrame) {
    this.frame = frame;
  }
}

/** One future or task, and who waits for it. Source: CPython 3.14 `asyncio.FutureCallGraph`. */
export class FutureCallGraph {
  readonly future: Future<any>;
  /** The frames of its coroutine, innermost first. */
  readonly callStack: readonly FrameCallGraphEntry[];
  /** Everyone who waits for it. */
  readonly awaitedBy: readonly FutureCallGraph[];

  constructor(
    future: Future<any>,
    callStack: readonly FrameCallGraphEntry[],
    awaitedBy: readonly FutureCallGraph[],
  ) {
    this.future = future;
    this.callStack = callStack;
    this.awaitedBy = awaitedBy;
  }
}

// Waits that the library does not know by itself, noted by `futureAddToAwaitedBy`.
const noted = new WeakMap<Future<any>, Set<Future<any>>>();

/**
 * Note for the call graph that `waiter` awaits `fut`. Ignored for anything but futures.
 *
 * Source: CPython 3.14 `asyncio.future_add_to_awaited_by`.
 */
export function futureAddToAwaitedBy(fut: Future<any>, waiter: Future<any>): void {
  if (!(fut instanceof Future) || !(waiter instanceof Future)) return;
  noted.set(fut, (noted.get(fut) ?? new Set()).add(waiter));
}

/**
 * Take back what `futureAddToAwaitedBy` noted.
 *
 * Source: CPython 3.14 `asyncio.future_discard_from_awaited_by`.
 */
export function futureDiscardFromAwaitedBy(fut: Future<any>, waiter: Future<any>): void {
  noted.get(fut)?.delete(waiter);
}

function awaiters(future: Future<any>): Set<Future<any>> {
  const all = new Set<Future<any>>();
  for (const waiter of future._waiterList()) {
    const awaiter = waiter._awaiter();
    if (awaiter !== null) all.add(awaiter);
  }
  for (const waiter of noted.get(future) ?? []) all.add(waiter);
  return all;
}

function buildGraph(
  future: Future<any>,
  limit: number | null,
  above: ReadonlySet<Future<any>>,
): FutureCallGraph {
  // Tasks that wait for each other in a circle are shown once.
  const path = new Set(above).add(future);
  const parents = [...awaiters(future)].filter((awaiter) => !path.has(awaiter));
  const stack = limit === 0 || !(future instanceof Task) ? [] : suspendedStack(future);
  return new FutureCallGraph(
    future,
    limited(stack, limit),
    parents.map((parent) => buildGraph(parent, limit, path)),
  );
}

function suspendedStack(task: Task<any>): FrameCallGraphEntry[] {
  const coro = task.getCoro();
  if (coro === null || task.done()) return [];
  const frame = awaitPlace(task) ?? {
    file: '<unknown>',
    line: 0,
    column: 0,
    functionName: coroutineName(coro),
  };
  return [new FrameCallGraphEntry(frame)];
}

/** A positive limit keeps the outermost frames, a negative one the innermost. */
function limited(stack: FrameCallGraphEntry[], limit: number | null): FrameCallGraphEntry[] {
  if (limit === null) return stack;
  if (limit === 0) return [];
  return limit > 0 ? stack.slice(-limit) : stack.slice(0, -limit);
}

/**
 * The graph of who awaits whom, from `future` or the current task. Places in the source are known for the current
 * task, and for suspended ones in debug mode.
 *
 * @param options.depth - frames of the caller to leave out, for the current task. Default 1.
 * @param options.limit - n > 0 keeps the n outermost frames of each stack, n < 0 the innermost, 0 none.
 * @returns null without a current task.
 * @throws RuntimeError without a future and a running loop; TypeError for what is no future.
 *
 * Source: CPython 3.14 `asyncio.capture_call_graph`.
 */
export function captureCallGraph(
  future?: Future<any> | null,
  options?: { depth?: number; limit?: number | null },
): FutureCallGraph | null {
  const limit = options?.limit ?? null;
  const loop = _getRunningLoop();
  const task = loop === null ? null : currentTask(loop);
  if (future !== undefined && future !== null) {
    if (!isfuture(future)) {
      throw new TypeError(`${repr(future)} object does not appear to be compatible with asyncio.Future`);
    }
    if (future !== task) return buildGraph(future, limit, new Set());
  } else if (loop === null) {
    throw new RuntimeError(
      'capture_call_graph() is called outside of a running event loop and no *future* to introspect was provided'.replace(
        'capture_call_graph',
        'captureCallGraph',
      ),
    );
  }
  if (task === null) return null;
  const skipped = Math.max(0, (options?.depth ?? 1) - 1);
  const stack = limit === 0 ? [] : extractStack(100).slice(skipped);
  const entries = stack.map((frame) => new FrameCallGraphEntry(frame));
  const parents = [...awaiters(task)].map((parent) => buildGraph(parent, limit, new Set([task])));
  return new FutureCallGraph(task, limited(entries, limit), parents);
}

/**
 * The graph as text; empty without a current task. As `captureCallGraph`.
 *
 * Source: CPython 3.14 `asyncio.format_call_graph`.
 */
export function formatCallGraph(
  future?: Future<any> | null,
  options?: { depth?: number; limit?: number | null },
): string {
  const graph = captureCallGraph(future, options);
  if (graph === null) return '';
  const lines: string[] = [];
  render(graph, 0, lines);
  return lines.join('\n');
}

function render(graph: FutureCallGraph, level: number, lines: string[]): void {
  const add = (line: string): void => {
    lines.push('    '.repeat(level) + line);
  };
  const { future } = graph;
  const id = `0x${idOf(future).toString(16)}`;
  add(future instanceof Task ? `* Task(name=${repr(future.getName())}, id=${id})` : `* Future(id=${id})`);
  if (graph.callStack.length > 0) {
    add('  + Call stack:');
    for (const { frame } of graph.callStack) {
      add(`  |   File '${frame.file}', line ${frame.line}, in async ${frame.functionName}()`);
    }
  }
  if (graph.awaitedBy.length > 0) {
    add('  + Awaited by:');
    for (const parent of graph.awaitedBy) render(parent, level + 1, lines);
  }
}

const ids = new WeakMap<Future<any>, number>();
let lastId = 0;

function idOf(future: Future<any>): number {
  const id = ids.get(future) ?? ++lastId;
  ids.set(future, id);
  return id;
}

/**
 * Print the graph to standard output or `file`. As `captureCallGraph`.
 *
 * Source: CPython 3.14 `asyncio.print_call_graph`.
 */
export function printCallGraph(
  future?: Future<any> | null,
  options?: { file?: { write(text: string): unknown } | null; depth?: number; limit?: number | null },
): void {
  const text = formatCallGraph(future, options);
  if (options?.file) options.file.write(`${text}\n`);
  else console.log(text);
}
