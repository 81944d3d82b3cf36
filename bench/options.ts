/** The command line of the benchmark. */
import { parseArgs } from 'node:util';

const HELP = `Usage: npm run bench -- [options]

Measures the core beside other libraries and CPython's asyncio in one interleaved run.

  --quick              smaller sizes, one round (one to two minutes)
  --only NAME,...      these workloads only
  --runtime NAME,...   these runtimes only
  --rounds N           rounds of the whole table (default 3, with --quick 1)
  --no-peers           without effect and effection, which are otherwise installed into .cache/bench
  --node PATH          measure with this node binary (default: the one that runs this command)
  --python PATH        CPython to compare with (default: python3 on the PATH)
  --floors             print every promised figure, and exit with 1 when one is missed
  --json FILE          write all figures to FILE
  --help               this text
`;

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
        'no-peers': { type: 'boolean', default: false },
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
    return {
      quick: values.quick,
      only: pick('--only', values.only, workloads),
      runtime: pick('--runtime', values.runtime, runtimes),
      rounds,
      peers: !values['no-peers'],
      node: values.node,
      python: values.python,
      floors: values.floors,
      json: values.json ?? null,
    };
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
