/** Run one cell of the table once, as a child process of its own. */
import { spawnSync } from 'node:child_process';
import type { Command } from './runtimes.ts';
import type { Workload } from './workloads.ts';

const TIMEOUT_MS = 120_000;

/**
 * One round of a cell: the median of its repetitions, of whole processes the best. Null where the runtime has no
 * such workload.
 */
export function runCell(workload: Workload, command: Command, n: number): number | null {
  if (workload.measures === 'start') return Math.min(...times(n, () => startMs(command)));
  if (workload.measures === 'import') return Math.min(...times(n, () => Number(output(command))));
  const result = JSON.parse(output(command)) as Record<string, number[]> & { missing?: unknown };
  if (result.missing !== undefined) return null;
  const figures = result[workload.measures];
  if (figures === undefined || figures.length === 0) throw new Error(`no figures for ${workload.measures}`);
  return median(figures);
}

function startMs(command: Command): number {
  const start = performance.now();
  const said = output(command);
  const ms = performance.now() - start;
  if (said !== 'hello') throw new Error(`said '${said}'`);
  return ms;
}

/** The last line that the command prints. Throws with its complaint when it fails. */
function output({ file, args, cwd }: Command): string {
  const child = spawnSync(file, args, { cwd, encoding: 'utf8', timeout: TIMEOUT_MS });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0)
    throw new Error(complaint(child.stderr) || `ended with ${child.status ?? child.signal}`);
  return child.stdout.trimEnd().split('\n').at(-1) ?? '';
}

/** The line of an error output that names the error. */
function complaint(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines.find((line) => /^(\w*Error|FATAL)\b/.test(line)) ?? lines.filter(Boolean).at(-1) ?? '';
}

function median(list: number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function times(n: number, measure: () => number): number[] {
  return Array.from({ length: n }, measure);
}
