/** What is measured, and how: each time in processes of its own. */
import { BUILT, pathOf } from '../paths.ts';
import { Program } from '../program.ts';
import type { Usage } from '../control.ts';
import type { Part, Runtime } from './runtimes.ts';

const MIB = 1024 * 1024;

export interface Setting {
  readonly node: string;
  readonly quick: boolean;
}

/** Of one round. The first is what rounds are chosen by. */
export type Figures = Readonly<Record<string, number>>;

export interface Workload {
  readonly name: string;
  readonly part: Part;
  measure(runtime: Runtime, setting: Setting): Promise<Figures>;
}

interface Taken {
  readonly seconds: number;
  readonly cpu: number;
}

function start(runtime: Runtime, ...args: (string | number)[]): Program {
  return new Program(runtime.file, [...runtime.args, ...args.map(String)]);
}

/** A server and the load for it, told to connect to it. */
async function withLoad(
  runtime: Runtime,
  setting: Setting,
  measure: (server: Program, load: Program) => Promise<Figures>,
): Promise<Figures> {
  await using server = start(runtime, runtime.echo);
  const { port } = await server.hear<{ port: number }>();
  await using load = new Program(setting.node, [pathOf('io/load.js', BUILT), String(port)]);
  await load.hear();
  return await measure(server, load);
}

function echo(connections: number): Workload {
  return {
    name: `echo_${connections}`,
    part: 'echo',
    measure: (runtime, setting) =>
      withLoad(runtime, setting, async (server, load) => {
        const messages = setting.quick ? 20_000 : 30_000;
        await load.ask(`open ${connections}`);
        await load.ask(`exchange ${messages / 4}`);
        const before = await server.ask<Usage>('usage');
        const { seconds } = await load.ask<Taken>(`exchange ${messages}`);
        const { cpu } = await server.ask<Usage>('usage');
        await load.ask('close');
        return { cpu: ((cpu - before.cpu) * 1000) / messages, rate: messages / seconds };
      }),
  };
}

const connections: Workload = {
  name: 'connections',
  part: 'echo',
  measure: (runtime, setting) =>
    withLoad(runtime, setting, async (server, load) => {
      const count = setting.quick ? 2000 : 10_000;
      await load.ask('batches 500 100');
      const before = await server.ask<Usage>('usage');
      const { seconds } = await load.ask<Taken>(`batches ${count} 100`);
      const after = await server.ask<Usage>('usage');
      return {
        cpu: ((after.cpu - before.cpu) * 1000) / count,
        rate: count / seconds,
        left: after.fds - before.fds,
      };
    }),
};

function bulk(name: string, mib: number, quickMib: number, slow: boolean): Workload {
  return {
    name,
    part: 'bulk',
    async measure(runtime, { quick }) {
      const size = quick ? quickMib : mib;
      const flags = slow ? runtime.withoutGarbage : [];
      const flagged = { ...runtime, args: [...flags, ...runtime.args] };
      await using sender = start(flagged, 'send');
      const { port } = await sender.hear<{ port: number }>();
      await using receiver = start(flagged, 'receive', port, slow ? 1 : 0);
      await receiver.hear();
      // The first bytes make the heap as large as it will be.
      await receiver.ask(String((slow ? size : size / 4) * MIB));
      const both = () => Promise.all([sender, receiver].map((program) => program.ask<Usage>('usage')));
      const [sender0, receiver0] = await both();
      const { seconds } = await receiver.ask<Taken>(String(size * MIB));
      const [sender1, receiver1] = await both();
      return {
        time: (seconds * 1e9) / size,
        cpu: ((sender1!.cpu - sender0!.cpu + receiver1!.cpu - receiver0!.cpu) * 1000) / size,
        sender: sender1!.peak - sender0!.rss,
        receiver: receiver1!.peak - receiver0!.rss,
      };
    },
  };
}

function spawn(name: string, atOnce: number): Workload {
  return {
    name,
    part: 'spawn',
    async measure(runtime, { quick }) {
      const count = quick ? 200 : 500;
      await using program = start(runtime, 'spawn', count, atOnce);
      const { seconds, cpu } = await program.hear<Taken>();
      return { time: (seconds * 1e9) / count, cpu: (cpu * 1000) / count };
    },
  };
}

export const WORKLOADS: readonly Workload[] = [
  echo(1),
  echo(10),
  echo(100),
  connections,
  bulk('bulk', 1024, 256, false),
  bulk('bulk_slow', 32, 16, true),
  spawn('spawn', 1),
  spawn('spawn_10', 10),
];
