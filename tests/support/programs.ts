/** Helpers of the tests of the core: virtual time, what was logged, programs in a process of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type CoroutineLike, type RunnerOptions, run, setLogger } from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import { root } from './project.ts';

/** `run` in virtual time. */
export function runVirtually<T>(main: CoroutineLike<T>, options: RunnerOptions = {}): Promise<T> {
  return run(main, { loopFactory: () => new VirtualEventLoop(), ...options });
}

/** What `fn` throws or rejects with; fails if it does neither. */
export async function errorOf(fn: () => unknown): Promise<Error> {
  try {
    await fn();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

/** `TypeError: text` of what `fn` throws or rejects with. */
export async function textOf(fn: () => unknown): Promise<string> {
  const error = await errorOf(fn);
  return `${error.name}: ${error.message}`;
}

/** What the library logs while `fn` runs, each with its level. */
export async function logOf(fn: () => unknown): Promise<string[]> {
  const lines: string[] = [];
  const add = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  setLogger({ debug: add('debug'), info: add('info'), warning: add('warning'), error: add('error') });
  try {
    await fn();
  } finally {
    setLogger(null);
  }
  return lines;
}

/** How a program ended. */
export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Options of `runProgram`. */
export interface ProgramOptions {
  /** Options of Node. */
  flags?: string[];
  env?: Record<string, string>;
  /** What it finds in `process.argv` from the second place on. */
  args?: string[];
  /** Called with all that the program has printed so far, each time it prints. */
  onOutput?: (output: string, child: ChildProcess) => void;
}

const prelude =
  "import * as asyncio from 'asyncio-ts'; import { VirtualEventLoop } from 'asyncio-ts/testing';\n";

/** Run `code`, an ES module that sees `asyncio`, in a process of its own. */
export function runProgram(code: string, options: ProgramOptions = {}): Promise<Ended> {
  // The first says that a runner started this file and wants its report in binary.
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
  const args = [
    ...(options.flags ?? []),
    '--input-type=module',
    '--eval',
    prelude + code,
    ...(options.args ?? []),
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onOutput?.(stdout, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
