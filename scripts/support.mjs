// What the scripts share: the place of the project, running programs, stages with a heading and a time.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const coloured = process.stdout.isTTY && !process.env.NO_COLOR;
const style = (code, text) => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = (text) => style(1, text);
export const red = (text) => style(31, text);
export const green = (text) => style(32, text);

/** An error whose message says all: shown without a stack. */
export class Failure extends Error {}

const show = (error) => console.error(error instanceof Failure ? error.message : error);

process.on('uncaughtException', (error) => {
  show(error);
  process.exit(1);
});

/** A file of node_modules, to be run by `node`. */
export const tool = (file) => path.join(root, 'node_modules', file);

// Ctrl-C in a terminal reaches every program of its group: the child has it already and may clean up, so wait for
// it. Without a terminal the signal came to this process alone and is passed on.
const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
/** @type {NodeJS.Signals | undefined} */
let endedBy;
/** @type {import('node:child_process').ChildProcess | undefined} */
let child;

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.on(signal, () => {
    endedBy ??= signal;
    if (!child) die(endedBy);
    else if (signal !== 'SIGINT' || !atTerminal) child.kill(signal);
  });
}

/** Ends as a program does that the signal ended, which is what npm and a shell look at. */
function die(signal) {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * Runs a program in the project's folder to its end.
 *
 * @returns its exit code (128 and the signal's number after a signal) and, with `capture`, what it printed, which is
 *   shown otherwise. With `limitMs`, a program that has not ended by then is killed, and `isLate` set.
 */
export async function run(command, args, { capture = false, env = {}, cwd = root, limitMs = 0 } = {}) {
  const started = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: capture ? ['ignore', 'pipe', 'pipe'] : 'inherit',
  });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => (output += text));
  }
  let isLate = false;
  const kill = () => {
    isLate = started.kill('SIGKILL');
    // What it has started may hold its output open.
    for (const stream of [started.stdout, started.stderr]) stream?.destroy();
  };
  const limit = limitMs > 0 ? setTimeout(kill, limitMs) : undefined;
  const [code, signal] = await new Promise((resolve, reject) => {
    started.on('error', reject);
    started.on('close', (...ending) => resolve(ending));
  });
  clearTimeout(limit);
  child = undefined;
  if (endedBy) {
    die(endedBy);
    await new Promise(() => setTimeout(() => {}, 5000)); // the signal is on its way
  }
  return { code: signal ? 128 + constants.signals[signal] : code, output, isLate };
}

/** As `run` with this Node; an exit code other than 0 is a failure. */
export async function node(args, options = {}) {
  const { code, output } = await run(process.execPath, args, options);
  if (code !== 0) throw new Failure(`${output}exit code ${code}`);
  return output;
}

/** As `run` with the npm that started this script, else the one of the path. */
export function npm(args, options = {}) {
  const own = process.env.npm_execpath;
  if (own?.endsWith('npm-cli.js')) return run(process.execPath, [own, ...args], options);
  return run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, options);
}

/** Runs named steps in order up to the first that fails. Each shows a heading and its time. */
export async function stages(steps) {
  for (const [name, step] of Object.entries(steps)) {
    console.log(`\n${bold(`== ${name}`)}`);
    const start = performance.now();
    const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
    try {
      await step();
    } catch (error) {
      show(error);
      console.error(red(`== ${name}: failed (${seconds()})`));
      process.exit(1);
    }
    console.log(green(`== ${name}: ok (${seconds()})`));
  }
}

/** Whether the module is the program that was started, and not imported by another. */
export const isMain = (url) =>
  process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);

/** Shows the text and ends if the user asked for help. */
export function help(text) {
  if (!process.argv.includes('--help') && !process.argv.includes('-h')) return;
  console.log(text);
  process.exit(0);
}
