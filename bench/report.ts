/** What all benchmarks print around their tables. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Options } from './options.ts';
import { paint } from './table.ts';

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Shows what is being measured, in one line of a terminal. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** Measures every workload of every runtime, the runtimes in turn, as often as the options say. */
export async function measureRounds<R extends { name: string }, W extends { name: string }>(
  { rounds }: Options,
  runtimes: readonly R[],
  workloads: readonly W[],
  measure: (runtime: R, workload: W, round: number) => unknown,
): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    if (!process.stderr.isTTY) process.stderr.write(`round ${round}/${rounds}\n`);
    for (const workload of workloads) {
      for (const runtime of runtimes) {
        progress(`round ${round}/${rounds}  ${workload.name}  ${runtime.name}`);
        await measure(runtime, workload, round);
      }
    }
  }
  progress('');
}

/** The machine, the versions, and how it was measured. */
export function printHead(runtimes: readonly { title: string; version: string }[], how: string): void {
  print(`${cpus().length} x ${cpus()[0]?.model ?? 'unknown CPU'}; ${process.platform} ${process.arch}`);
  print(runtimes.map(({ title, version }) => `${title} ${version}`).join(', '));
  print(paint('dim', `${how}; ${(performance.now() / 1000).toFixed(0)} s`));
}

/** The promises that were missed, with `--floors` also those that hold. Tells whether all do. */
export function printFloors<V extends { holds: boolean }>(
  { floors }: Options,
  verdicts: readonly V[],
  describe: (verdict: V) => string,
): boolean {
  const missed = verdicts.filter(({ holds }) => !holds);
  if (verdicts.length === 0) return true;
  print(
    `\n${paint('bold', 'Floors on Node 24')}: ${verdicts.length - missed.length} of ${verdicts.length} hold`,
  );
  for (const verdict of floors ? verdicts : missed) {
    print(verdict.holds ? describe(verdict) : paint('red', describe(verdict)));
  }
  return missed.length === 0;
}

/** The notes and errors, the file of `--json`, and the exit code. Keys are `WORKLOAD RUNTIME`. */
export function finish<F>(
  { json, floors }: Options,
  runtimes: readonly { name: string; version: string }[],
  rounds: ReadonlyMap<string, readonly F[]>,
  {
    notes,
    errors,
    kept,
    summary,
  }: {
    notes: readonly string[];
    errors: ReadonlyMap<string, string>;
    kept: boolean;
    summary: (figures: readonly F[]) => object;
  },
): void {
  for (const text of notes) print(`note: ${text}`);
  for (const [key, text] of errors) print(paint('red', `failed: ${key}: ${text}`));
  if (json !== null) {
    const versions = Object.fromEntries(runtimes.map(({ name, version }) => [name, version]));
    const cells = [...rounds].map(([key, figures]) => {
      const [workload, runtime] = key.split(' ');
      return { workload, runtime, ...summary(figures), rounds: figures };
    });
    const report = { date: new Date().toISOString(), versions, cells, errors: Object.fromEntries(errors) };
    writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (errors.size > 0 || (floors && !kept)) process.exitCode = 1;
}
