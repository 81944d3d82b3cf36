/** What is measured, and how. */
import { BUILT, pathOf } from '../paths.ts';
import { Program } from '../program.ts';
import type { Usage } from '../control.ts';
import type { Kind } from './programs/drive.ts';
import type { Runtime } from './runtimes.ts';

export interface Setting {
  readonly node: string;
  readonly quick: boolean;
  /** The server with the files. */
  readonly url: string;
  readonly clients: Clients;
}

/** Of one round. */
export type Figures = Readonly<Record<string, number>>;

export interface Workload {
  readonly name: string;
  measure(runtime: Runtime, setting: Setting): Promise<Figures>;
}

interface Taken {
  readonly seconds: number;
  readonly cpu: number;
  readonly answers: number;
}

/**
 * The clients' processes, each of which lives as long as the benchmark. A program of this kind serves for hours: what the
 * compilers and the caches need in its first seconds is not what it costs.
 */
export class Clients implements AsyncDisposable {
  readonly #programs = new Map<string, Program>();
  /** Workload and client. */
  readonly #warm = new Set<string>();

  /** The client's process, after `warmUp` if it has not done this workload before. */
  async ready(
    { name, file, args }: Runtime,
    workload: string,
    warmUp: (client: Program) => Promise<unknown>,
  ): Promise<Program> {
    let client = this.#programs.get(name);
    if (client === undefined) {
      client = new Program(file, args);
      this.#programs.set(name, client);
      await client.hear();
    }
    const key = `${workload} ${name}`;
    if (!this.#warm.has(key)) {
      this.#warm.add(key);
      await warmUp(client);
    }
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#programs.values()) await client[Symbol.asyncDispose]();
  }
}

function requests(name: string, kind: Kind, inFlight: number): Workload {
  return {
    name,
    async measure(runtime, { quick, url, clients }) {
      const run = (client: Program, ms: number) =>
        client.ask<Taken>(`run ${kind} ${inFlight} ${url}${kind} ${ms}`);
      const client = await clients.ready(runtime, name, (cold) => run(cold, quick ? 1000 : 6000));
      const { seconds, cpu, answers } = await run(client, quick ? 700 : 2000);
      return { rate: answers / seconds, cpu: (cpu * 1000) / answers };
    },
  };
}

/** How many requests are begun at once: the line of a listening socket is not endless. */
const BATCH = 250;

const memory: Workload = {
  name: 'memory',
  async measure({ file, args, withoutGarbage }, { node, quick }) {
    const count = quick ? 2000 : 10_000;
    await using client = new Program(file, [...withoutGarbage, ...args]);
    await client.hear();
    // Ends before the client does, so that no port of a client is blocked for a minute.
    await using server = new Program(node, [pathOf('http/programs/holding.js', BUILT)]);
    const { url } = await server.hear<{ url: string }>();
    let held = 0;
    const hold = async (more: number): Promise<Usage> => {
      for (const end = held + more; held < end; ) {
        held += BATCH;
        await client.ask(`hold ${BATCH} ${url}`);
        await server.ask(String(held));
      }
      return await client.ask<Usage>('usage');
    };
    const before = await hold(2 * BATCH);
    const after = await hold(count);
    return { bytes: (after.rss - before.rss) / count };
  },
};

export const WORKLOADS: readonly Workload[] = [
  requests('json_1', 'json', 1),
  requests('json_64', 'json', 64),
  requests('json_512', 'json', 512),
  requests('mib_1', 'bytes', 1),
  requests('mib_64', 'bytes', 64),
  memory,
];
