/** The command line of all benchmarks. */
import { parseArgs } from 'node:util';

export interface Options {
  quick: boolean;
  only: string[] | null;
  runtime: string[] | null;
  rounds: number;
  peers: boolean;
  node: string;
  python: string;
  floors: boolean;
  json: string | null;
}

/** What one benchmark says of itself, and has to measure. */
export interface Subject {
  /** How it is started. */
  readonly usage: string;
  readonly summary: string;
  readonly workloads: readonly string[];
  readonly runtimes: readonly string[];
  /** How long `--quick` takes. */
  readonly quick: string;
  /** Which Python to compare with, in brackets after `--python PATH`. */
  readonly python: string;
  /** Other libraries among the runtimes, which have to be installed; null for none. */
  readonly peers: string | null;
}

function helpOf({ usage, summary, quick, python, peers }: Subject): string {
  const lines = [
    `Usage: ${usage} -- [options]`,
    '',
    summary,
    '',
    `  --quick              smaller sizes, one round (${quick})`,
    '  --only NAME,...      these workloads only',
    '  --runtime NAME,...   these runtimes only',
    '  --rounds N           rounds of everything (default 3, with --quick 1)',
    ...(peers !== null
      ? [`  --no-peers           without ${peers}, which are otherwise installed into .cache`]
      : []),
    '  --node PATH          measure with this node binary (default: the one that runs this command)',
    `  --python PATH        ${python} (default: python3 on the PATH)`,
    '  --floors             print every promised figure, and exit with 1 when one is missed',
    '  --json FILE          write all figures to FILE',
    '  --help               this text',
  ];
  return `${lines.join('\n')}\n`;
}

/** Read the options; print the help or the mistake and exit where there is nothing to measure. */
export function readOptions(subject: Subject): Options {
  const { workloads, runtimes, peers } = subject;
  const names = `\nWorkloads: ${workloads.join(', ')}\nRuntimes:  ${runtimes.join(', ')}\n`;
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        runtime: { type: 'string' },
        rounds: { type: 'string' },
        'no-peers': { type: 'boolean', default: false },
        node: { type: 'string', default: process.execPath },
        python: { type: 'string', default: 'python3' },
        floors: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(helpOf(subject) + names);
      process.exit(0);
    }
    const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new Error(`--rounds: a whole number from 1, got ${values.rounds}`);
    if (values['no-peers'] && peers === null) throw new Error('--no-peers: there are none');
    const { quick, node, python, floors, json = null } = values;
    const only = pick('--only', values.only, workloads);
    const runtime = pick('--runtime', values.runtime, runtimes);
    return { quick, only, runtime, rounds, peers: !values['no-peers'], node, python, floors, json };
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
