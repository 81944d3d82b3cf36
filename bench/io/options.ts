/** The command line of the benchmark of I/O. */
import { parseArgs } from 'node:util';

const HELP = `Usage: npm run bench:io -- [options]

Measures sockets and processes beside plain Node, CPython's asyncio and uvloop in one interleaved run.

  --quick              smaller sizes, one round (about a minute)
  --only NAME,...      these workloads only
  --runtime NAME,...   these runtimes only
  --rounds N           rounds of everything (default 3, with --quick 1)
  --node PATH          measure with this node binary (default: the one that runs this command)
  --python PATH        CPython to compare with, which may have uvloop (default: python3 on the PATH)
  --floors             print every promised figure, and exit with 1 when one is missed
  --json FILE          write all figures to FILE
  --help               this text
`;

export interface Options {
  quick: boolean;
  only: string[] | null;
  runtime: string[] | null;
  rounds: number;
  node: string;
  python: string;
  floors: boolean;
  json: string | null;
}

/** Read the options; print the help or the mistake and exit where there is nothing to measure. */
export function readOptions(workloads: readonly string[], runtimes: readonly string[]): Options {
  const names = `\nWorkloads: ${workloads.join(', ')}\nRuntimes:  ${runtimes.join(', ')}\n`;
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        runtime: { type: 'string' },
        rounds: { type: 'string' },
        node: { type: 'string', default: process.execPath },
        python: { type: 'string', default: 'python3' },
        floors: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP + names);
      process.exit(0);
    }
    const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new Error(`--rounds: a whole number from 1, got ${values.rounds}`);
    const { quick, node, python, floors, json = null } = values;
    const only = pick('--only', values.only, workloads);
    const runtime = pick('--runtime', values.runtime, runtimes);
    return { quick, only, runtime, rounds, node, python, floors, json };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${names}`);
    process.exit(2);
  }
}

function pick(option: string, list: string | undefined, known: readonly string[]): string[] | null {
  if (list === undefined) return null;
  const names = list.split(',');
  for (const name of names) if (!known.includes(name)) throw new Error(`${option}: there is no '${name}'`);
  return names;
}
