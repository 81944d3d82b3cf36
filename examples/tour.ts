/**
 * A tour of the examples: each runs as a program of its own, one after the other, with a heading. Needs no network, and
 * about half a minute. Ctrl-C ends it, and the program that is running, with exit code 130.
 *
 *   npm start                        the whole tour
 *   npm start -- --list              what there is to see
 *   npm start -- --only gather       one program; may be given several times
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CancelledError, fromPromise } from 'asyncio-ts';
import { runProgram, UsageError } from './support/program.ts';
import { paint } from './support/terminal.ts';

/** One stop of the tour. */
interface Stop {
  readonly name: string;
  readonly title: string;
  readonly args?: readonly string[];
}

const STOPS: readonly Stop[] = [
  { name: 'blocking', title: 'Blocking and non-blocking reads, and who gets to run meanwhile' },
  { name: 'processes', title: 'Four children as processes', args: ['--maxdelay', '2'] },
  { name: 'threads', title: 'The same as threads: one process, a heap each', args: ['--maxdelay', '2'] },
  { name: 'tasks', title: 'The same as tasks: one thread, one heap', args: ['--maxdelay', '2'] },
  { name: 'three-ways', title: 'All three beside each other: what they cost', args: ['--maxdelay', '1'] },
  { name: 'sleep', title: 'Waiting without being in the way' },
  { name: 'loop-time', title: 'The clock of the loop' },
  { name: 'loop-time', title: 'The same in virtual time: no waiting', args: ['--virtual'] },
  { name: 'create-task', title: 'A coroutine as a task' },
  { name: 'cancel-task', title: 'Cancelling tasks, and asking how they ended' },
  { name: 'gather', title: 'Many at once: results in order, cancelled alone or together' },
  { name: 'reddit', title: 'Requests side by side: the top posts of four subreddits' },
  { name: 'lock', title: 'A lock: looking and acting without anybody in between' },
  { name: 'event', title: 'An event: everybody waits until the door opens' },
  { name: 'condition', title: 'A condition: waiting until there is room enough' },
  { name: 'semaphore', title: 'A semaphore: three requests at once' },
  { name: 'barrier', title: 'A barrier: nobody goes ahead before all have come' },
  { name: 'queue', title: 'Queues: workers, a full counter and closing time' },
  { name: 'race', title: 'A race in a pool of connections: found, and run again step by step' },
  { name: 'generators', title: 'The same coroutines as generator functions' },
  { name: 'chat', title: 'A chat server and its clients on streams' },
  { name: 'chat-protocol', title: 'The same server as a protocol' },
  { name: 'proxy', title: 'A TCP proxy, in generators: the slower side decides' },
  { name: 'subprocess', title: 'A pipeline of two programs', args: ['500000'] },
  { name: 'graceful', title: 'A server told to end: what is begun may be finished, within a bound' },
  { name: 'http-server', title: 'Tasks in a web server, cancelled when their client goes away' },
  { name: 'crawler', title: 'A crawler among slow and broken pages' },
  { name: 'link-checker', title: 'A link checker: polite, patient, and with a report in the end' },
];

const USAGE = `usage: tour [--list] [--only NAME]… [--help]

Runs the examples one after the other.

  --list        show their names and what they are about
  --only NAME   run this one; may be given several times
  --help        show this text`;

function choose(names: readonly string[]): readonly Stop[] {
  for (const name of names) {
    if (STOPS.some((stop) => stop.name === name)) continue;
    const known = [...new Set(STOPS.map((stop) => stop.name))].join(', ');
    throw new UsageError(`there is no example '${name}'; there are ${known}`);
  }
  return names.length === 0 ? STOPS : STOPS.filter(({ name }) => names.includes(name));
}

/** At a terminal, Ctrl-C reaches every program of the group. */
const isAtTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;

/** Resolves with the exit code of a process; null if a signal ended it. */
function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('exit', resolve);
  });
}

/**
 * Run a stop to its end. Cancelled, it is told to end as by Ctrl-C, and waited for: at a terminal it has heard already,
 * and cleans up.
 */
async function visit({ name, args = [] }: Stop): Promise<boolean> {
  const file = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, file, ...args], { stdio: 'inherit' });
  const end = ended(child);
  try {
    const code = await fromPromise(end);
    if (code === 0) return true;
    console.log(paint('red', `${name} ended with ${code === null ? child.signalCode : `exit code ${code}`}`));
    return false;
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      if (!isAtTerminal) child.kill('SIGINT');
      await end;
    }
  }
}

async function tour(stops: readonly Stop[]): Promise<number> {
  const start = performance.now();
  const failed: string[] = [];
  for (const [i, stop] of stops.entries()) {
    const command = [stop.name, ...(stop.args ?? [])].join(' ');
    console.log(
      `${i === 0 ? '' : '\n'}${paint('bold', `[${i + 1}/${stops.length}] ${command}`)}  ${stop.title}`,
    );
    if (!(await visit(stop))) failed.push(command);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const count = stops.length === 1 ? '1 program' : `${stops.length} programs`;
  if (failed.length > 0)
    console.log(paint('red', `\n${failed.length} of ${count} failed: ${failed.join(', ')}`));
  else console.log(paint('green', `\n${count}, ${seconds} s, all well`));
  return failed.length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      list: { type: 'boolean' },
      only: { type: 'string', multiple: true },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const stops = choose(values.only ?? []);
  if (!values.list) return await tour(stops);
  for (const { name, args = [], title } of stops)
    console.log(`${[name, ...args].join(' ').padEnd(24)} ${title}`);
  return 0;
}

await runProgram('tour', USAGE, async () => {
  try {
    return await main();
  } catch (error) {
    if (error instanceof CancelledError) console.log('\ntour interrupted');
    throw error;
  }
});
