/** What the hard programs share: the TypeScript side of the few lines that stand before each of them in Python. */

import * as asyncio from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';

export interface HardProgram {
  main: () => asyncio.CoroutineLike<unknown>;
  /** Runs when everything is over. */
  after?: () => void;
}

export type HardPrograms = Record<string, (io: Io) => HardProgram>;

/** A Python error that JavaScript has none of. */
export class KeyError extends Error {
  override name = 'KeyError';
}

/** The arguments of an error, as Python's `e.args`. */
export function args(error: unknown): unknown[] {
  if (error instanceof asyncio.CancelledError) return [...error.args];
  const { message } = error as Error;
  return message === '' ? [] : [message];
}

export function repr(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`;
  if (value instanceof Error) return `${value.name}(${args(value).map(repr).join(', ')})`;
  // What `acquire` gives is True there.
  if (typeof value === 'object' && value !== null && Symbol.dispose in value) return 'true';
  return value === undefined ? 'null' : String(value);
}

/** Prints into a list, with the time of the loop first. */
export class Io {
  readonly lines: string[] = [];
  readonly loop = new VirtualEventLoop();

  print(...values: unknown[]): void {
    this.lines.push(values.map((value) => (typeof value === 'string' ? value : repr(value))).join(' '));
  }

  say(...values: unknown[]): void {
    this.print(this.loop.time(), ...values);
  }

  at<A extends unknown[]>(when: number, callback: (...args: A) => unknown, ...values: A): void {
    this.loop.callAt(when, callback, ...values);
  }

  ended(label: string, result: unknown): void {
    this.say(label, 'returned', repr(result));
  }

  failed(label: string, error: unknown): void {
    this.say(label, (error as Error).name, args(error));
  }

  /** `end` of the programs as generators. */
  *end(aw: asyncio.Awaitable<unknown>, label: string): asyncio.Gen<void> {
    try {
      this.ended(label, yield* aw);
    } catch (error) {
      this.failed(label, error);
    }
  }

  /** `end` of the programs as async functions. */
  async endAsync(aw: PromiseLike<unknown>, label: string): Promise<void> {
    try {
      this.ended(label, await aw);
    } catch (error) {
      this.failed(label, error);
    }
  }
}

export async function play(make: (io: Io) => HardProgram): Promise<string[]> {
  const io = new Io();
  const { main, after } = make(io);
  try {
    const result = await asyncio.run(main(), { loopFactory: () => io.loop });
    if (result !== undefined && result !== null) io.print('run: returned', repr(result));
  } catch (error) {
    io.print('run:', (error as Error).name, args(error));
  }
  after?.();
  return io.lines;
}

/** CPython's text with values and names as TypeScript spells them. */
export function translate(line: string): string {
  return line
    .replace(
      /\b(True|False|None)\b/g,
      (word) => ({ True: 'true', False: 'false', None: 'null' })[word] as string,
    )
    .replaceAll('ValueError', 'RangeError')
    .replaceAll('task_done', 'taskDone')
    .replace(/\b(\d+)\.0\b/g, '$1')
    .replace(/\((\d+),\)/g, "['$1']") // the argument of an error is its text here
    .replace(/(^|[ ([])\(\)/g, '$1[]')
    .replace(/(^|[ ([])\(('[^']*'|\w+\('[^']*'\)),\)/g, '$1[$2]')
    .replace(/ \((\w+), (\w+)\)/g, ' [$1, $2]');
}
