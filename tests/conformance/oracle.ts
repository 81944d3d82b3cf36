/** CPython as the oracle: pyodide runs its real asyncio, with the C-accelerated tasks, on a virtual clock. */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Outcome, Program } from './ast.ts';

export interface Oracle {
  /** Runs a program given as Python text that defines `main()`; what it printed. */
  source(text: string): string[];
  /** Runs a batch of programs. */
  programs(batch: readonly Program[]): Outcome[];
}

/** The Python files are read where they are written, next to the sources of this directory. */
export const sourceDirectory = new URL('../../../tests/conformance/', import.meta.url);

let loading: Promise<Oracle> | undefined;

/** The oracle of this process; it takes some seconds to start. */
export function oracle(): Promise<Oracle> {
  loading ??= load();
  return loading;
}

/** The part of pyodide that is used. Its own declarations need those of a browser. */
interface Pyodide {
  loadPyodide(options: { indexURL: string }): Promise<{
    runPython(text: string): unknown;
    globals: {
      get(name: 'run_source'): (text: string) => { toJs(): string[] };
      get(name: 'run_programs'): (lines: string) => string;
    };
  }>;
}

async function load(): Promise<Oracle> {
  const name: string = 'pyodide';
  const { loadPyodide } = (await import(name)) as Pyodide;
  const [python, ...files] = await Promise.all([
    // Said, since it would look for its own place in a stack trace, which source maps change.
    loadPyodide({ indexURL: fileURLToPath(new URL('.', import.meta.resolve('pyodide'))) }),
    ...['oracle.py', 'primitives.py', 'interpreter.py'].map((name) =>
      readFile(new URL(name, sourceDirectory), 'utf8'),
    ),
  ]);
  for (const file of files) python.runPython(file);
  const runSource = python.globals.get('run_source');
  const runPrograms = python.globals.get('run_programs');
  return {
    source: (text) => runSource(text).toJs(),
    programs: (batch) => {
      if (batch.length === 0) return [];
      const lines = runPrograms(batch.map((program) => JSON.stringify(program)).join('\n'));
      return lines.split('\n').map((line) => JSON.parse(line));
    },
  };
}
