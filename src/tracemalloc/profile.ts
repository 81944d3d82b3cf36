/** From a profile of V8's to traces. Counterpart: `_get_traces` of `_tracemalloc`. */
import type { Runtime } from 'node:inspector';
import { findSourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Profile, ProfileNode } from './sampler.ts';
import { Trace } from './trace.ts';
import { Frame, Traceback } from './traceback.ts';

/** Where no JavaScript was running: the runtime itself, a parser. Python's name for it. */
const UNKNOWN = new Frame('<unknown>', 0);

/**
 * A trace for each sample, in the order in which they were taken, with up to `nframe` frames.
 *
 * V8 allocates names while it writes the tree, and may sample that. The calls of such a sample are then not in the tree
 * that was written: it is left out, as Python leaves out what `tracemalloc` itself allocates.
 */
export function tracesOf({ head, samples }: Profile, nframe: number): Trace[] {
  const tracebacks = tracebacksOf(head, nframe);
  return samples
    .toSorted((a, b) => a.ordinal - b.ordinal)
    .flatMap(({ size, nodeId }) => {
      const traceback = tracebacks.get(nodeId);
      return traceback === undefined ? [] : [new Trace(0, size, traceback)];
    });
}

/** The calls that each node of the tree stands for, by its number. */
function tracebacksOf(head: ProfileNode, nframe: number): Map<number, Traceback> {
  const found = new Map<number, Traceback>();
  const places = new Places();
  const walk = (node: ProfileNode, callers: readonly Frame[]): void => {
    const frame = places.of(node.callFrame);
    const frames = frame === null ? callers : [frame, ...callers];
    const known = frames.length === 0 ? [UNKNOWN] : frames;
    found.set(node.id, new Traceback(known.slice(0, nframe), known.length));
    for (const child of node.children) walk(child, frames);
  };
  walk(head, []);
  return found;
}

/** The frames of functions, one object for each. */
class Places {
  readonly #known = new Map<string, Frame | null>();

  /** Null for what has no source, such as `Array.from`: its memory counts for the caller, as that of C does in Python. */
  of(callFrame: Runtime.CallFrame): Frame | null {
    const { scriptId, lineNumber, columnNumber } = callFrame;
    const key = `${scriptId}:${lineNumber}:${columnNumber}`;
    let frame = this.#known.get(key);
    if (frame === undefined) {
      frame = frameOf(callFrame);
      this.#known.set(key, frame);
    }
    return frame;
  }
}

function frameOf({ url, lineNumber, columnNumber }: Runtime.CallFrame): Frame | null {
  if (lineNumber < 0) return null;
  if (url === '') return new Frame('<string>', lineNumber + 1);
  // Only if Node was told to read source maps, as in stack traces.
  const entry = findSourceMap(url)?.findEntry(lineNumber, columnNumber);
  return entry !== undefined && 'originalSource' in entry
    ? new Frame(pathOf(entry.originalSource), entry.originalLine + 1)
    : new Frame(pathOf(url), lineNumber + 1);
}

/** The path of a `file:` URL; anything else as it is. */
function pathOf(url: string): string {
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : url;
  } catch {
    return url; // a file of another host
  }
}
