/**
 * Imported for its effect by every test file: fails the file when its tests leave something behind, be it an active
 * resource of the process, a listener on `process`, a warning or an unhandled rejection.
 */
import { writeSync } from 'node:fs';
import { after, before } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';

/** How long a socket or a process that is closing may take to be gone. */
const GRACE_MS = 3000;

const warnings: Error[] = [];
const rejections: unknown[] = [];
let baseline = new Map<string, number>();

/** The warnings of the process so far, which then count as expected. Node gives them a tick after their cause. */
export function takeWarnings(): Error[] {
  return warnings.splice(0);
}

function countActive(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const resource of process.getActiveResourcesInfo()) {
    const name = `active ${resource}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const event of process.eventNames()) {
    counts.set(`listener on process for '${String(event)}'`, process.listenerCount(event));
  }
  return counts;
}

function leftovers(): string[] {
  return [...countActive()]
    .map(([name, count]) => ({ name, more: count - (baseline.get(name) ?? 0) }))
    .filter(({ more }) => more > 0)
    .map(({ name, more }) => `${more} × ${name}`);
}

process.on('warning', (warning) => warnings.push(warning));
process.on('unhandledRejection', (reason) => rejections.push(reason));
void [process.stdout, process.stderr]; // made on first use, and active from then on

// The listeners of node:test itself are there when the first test begins.
before(() => {
  baseline = countActive();
});

after(async () => {
  const deadline = performance.now() + GRACE_MS;
  await turn();
  while (leftovers().some((name) => name.includes('active')) && performance.now() < deadline) await delay(5);
  const problems = [
    ...leftovers(),
    ...warnings.map((warning) => `warning: ${inspect(warning)}`),
    ...rejections.map((reason) => `unhandled rejection: ${inspect(reason)}`),
  ];
  if (problems.length === 0) return;
  const text = `the tests of this file left behind:\n${problems.join('\n')}`;
  // Without a runner above it Node 20 overlooks an error of this hook.
  if (process.env['NODE_TEST_CONTEXT'] === undefined) writeSync(process.stderr.fd, `${text}\n`);
  process.exitCode = 1;
  // What is still active would keep the file from ending.
  setTimeout(() => process.exit(1), 200).unref();
  throw new Error(text);
});
