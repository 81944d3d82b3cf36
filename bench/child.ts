/**
 * One cell of the table: run one workload of one runtime in this process, again and again, and print what each
 * repetition took as one line of JSON. Arguments: module, workload, n, operations per n, milliseconds to fill.
 */
import type { Clock, WorkloadModule } from './workloads/clock.ts';

/** Smaller repetitions come first until they have taken so long: the compilers' time. */
const WARM_MS = 100;
/** Repetitions follow until `fillMs` is over, and at least so many, unless that takes three times as long. */
const MIN_REPETITIONS = 3;

const [moduleUrl = '', name = '', size = '', opsPerN = '1', fill = '0'] = process.argv.slice(2);
const n = Number(size);
const fillMs = Number(fill);
const collect = globalThis.gc ?? (() => {});

/** Wall and CPU time between start and stop. CPU is the whole process's: the collector's threads count. */
class Stopwatch implements Clock {
  wallMs = 0;
  cpuMs = 0;
  #wall = 0;
  #cpu = process.cpuUsage();

  start(): void {
    this.#cpu = process.cpuUsage();
    this.#wall = performance.now();
  }

  stop(): void {
    this.wallMs = performance.now() - this.#wall;
    const { user, system } = process.cpuUsage(this.#cpu);
    this.cpuMs = (user + system) / 1000;
  }
}

/** Live heap between start and stop. */
class Scales implements Clock {
  bytes = 0;
  #before = 0;

  start(): void {
    this.#before = liveBytes();
  }

  stop(): void {
    this.bytes = liveBytes() - this.#before;
  }
}

function liveBytes(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const { workloads } = (await import(moduleUrl)) as WorkloadModule;
const workload = workloads[name];
if (workload === undefined) {
  process.stdout.write('{"missing":true}\n');
} else if (name === 'memory') {
  const scales = new Scales();
  await workload(Math.ceil(n / 10), scales);
  await workload(n, scales);
  process.stdout.write(`${JSON.stringify({ bytes: [scales.bytes / n] })}\n`);
} else {
  const warm = performance.now() + WARM_MS;
  do await workload(Math.ceil(n / 5), new Stopwatch());
  while (performance.now() < warm);
  const ops = n * Number(opsPerN);
  const wall: number[] = [];
  const cpu: number[] = [];
  const begin = performance.now();
  for (let ms = 0; ms < fillMs || (wall.length < MIN_REPETITIONS && ms < 3 * fillMs); ) {
    // No forced collection before it: that throws optimised code away, and the next repetition is slower by half.
    const watch = new Stopwatch();
    await workload(n, watch);
    if (watch.wallMs === 0) throw new Error(`${name}: the clock was not stopped`);
    wall.push((watch.wallMs * 1e6) / ops);
    cpu.push((watch.cpuMs * 1e6) / ops);
    ms = performance.now() - begin;
  }
  process.stdout.write(`${JSON.stringify({ wall, cpu })}\n`);
}
