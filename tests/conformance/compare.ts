/** Runs programs in CPython and with the library, and compares what they left behind. */

import type { Outcome, Program } from './ast.ts';
import { interpret, type Style } from './interpreter.ts';
import { oracle } from './oracle.ts';
import { show } from './print.ts';
import { quiet } from './quiet.ts';

export interface Difference {
  program: Program;
  style: Style;
  expected: Outcome;
  actual: Outcome;
}

/** A run that takes longer than this in real time has lost a wake-up. */
const HANGS_AFTER = 10_000;

/** One outcome as lines to compare. */
function flat(outcome: Outcome): string[] {
  return [...outcome.trace, ...outcome.reports.map((report) => `report ${report}`)];
}

export function equal(a: Outcome, b: Outcome): boolean {
  const [left, right] = [flat(a), flat(b)];
  return left.length === right.length && left.every((line, i) => line === right[i]);
}

/** Runs a program with the library; what would end or disturb the process becomes part of the outcome. */
export async function run(program: Program, style: Style): Promise<Outcome> {
  quiet();
  const stray: string[] = [];
  const onRejection = (error: unknown): void => {
    stray.push(`unhandled rejection ${String(error)}`);
  };
  process.on('unhandledRejection', onRejection);
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => resolve({ trace: ['hangs'], reports: [] }), HANGS_AFTER);
  });
  try {
    const outcome = await Promise.race([interpret(program, style), hangs]);
    // Node reports rejections when the microtasks have drained.
    await new Promise((resolve) => setImmediate(resolve));
    return { trace: outcome.trace, reports: [...outcome.reports, ...stray] };
  } finally {
    clearTimeout(timer);
    process.off('unhandledRejection', onRejection);
  }
}

/**
 * What must hold where CPython is no measure, since the end of an async function that is started eagerly is known only
 * after the microtasks: the run ends, and nothing is left, lost or broken.
 */
export function brokenInvariants({ trace, reports }: Outcome): string[] {
  const isOver = trace.some((line) => /^\S+ \S+ run /.test(line));
  // A circle of tasks that cannot be cancelled is told of by the run's own error, and by that alone.
  const isDeadlock = trace.some((line) => /^\S+ \S+ run Deadlock\(/.test(line));
  const mayBePending = isDeadlock || reports.some((report) => report.includes('was destroyed'));
  return [
    ...(isOver ? [] : ['the run does not end']),
    ...trace.filter((line) => /^end t\d+ pending/.test(line) && !mayBePending),
    ...trace.filter((line) => /TypeError|ReferenceError|already done|Cannot enter/.test(line)),
    ...reports.filter((report) => report.startsWith('unhandled rejection')),
  ];
}

/** The programs whose outcome with the library is not CPython's. */
export async function compare(
  programs: readonly Program[],
  style: Style,
  onProgress?: (done: number) => void,
): Promise<Difference[]> {
  const { programs: runInPython } = await oracle();
  const differences: Difference[] = [];
  const outcomes = runInPython(programs);
  for (const [i, program] of programs.entries()) {
    const expected = outcomes[i] as Outcome;
    // CPython cannot cancel a circle of tasks and gatherings; the library can.
    if (JSON.stringify(expected).includes('RecursionError')) continue;
    const actual = await run(program, style);
    if (!equal(expected, actual)) differences.push({ program, style, expected, actual });
    onProgress?.(i + 1);
  }
  return differences;
}

/** The difference as text: seed, program, and both traces from shortly before they part. */
export function describe({ program, style, expected, actual }: Difference): string {
  const left = flat(expected);
  const right = flat(actual);
  let first = 0;
  while (first < left.length && left[first] === right[first]) first++;
  const start = Math.max(0, first - 8);
  const width = Math.max(8, ...left.slice(start).map((line) => line.length));
  const row = (a: string | undefined, b: string | undefined, mark: string): string =>
    `${mark} ${(a ?? '').padEnd(width)} | ${b ?? ''}`;
  const rows = [row('CPython', `asyncio-ts, ${style.kind}`, ' ')];
  for (let i = start; i < Math.max(left.length, right.length); i++) {
    rows.push(row(left[i], right[i], left[i] === right[i] ? ' ' : '>'));
  }
  return [`seed ${program.seed}`, show(program), '', ...rows].join('\n');
}
