/**
 * A pipeline of two programs: `seq` counts, `gzip` packs, and this program hands the bytes from one to the other and
 * tells how far they are.
 *
 * Nothing runs ahead: when gzip is slower, its pipe fills, `drain` waits, nobody reads what seq writes, and seq waits as
 * well. Ctrl-C ends the block of each `await using`, and with it the program that it stands for.
 *
 *   node subprocess.js [LINES]
 */
import { createSubprocessExec, PIPE, run, sleep, type subprocess, TaskGroup } from 'asyncio-ts';

const LINES = Number(process.argv[2] ?? 2_000_000);
const REPORT_EVERY = 4 * 2 ** 20;
const REDRAW_SECONDS = 0.1;

// One line that is drawn again and again, or, for files and plain terminals, a line for each report.
const isDrawing = process.stdout.isTTY && !process.env['NO_COLOR'];

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

class Progress {
  taken = 0;
  packed = 0;
  #reported = 0;

  take(bytes: number): void {
    this.taken += bytes;
    if (isDrawing || this.taken - this.#reported < REPORT_EVERY) return;
    this.#reported += REPORT_EVERY;
    console.log(`  ${megabytes(this.#reported)} on the way`);
  }

  draw(): void {
    process.stdout.write(
      `\r\x1b[2K\x1b[2m  ${megabytes(this.taken)} in, ${megabytes(this.packed)} out\x1b[0m`,
    );
  }

  clear(): void {
    if (isDrawing) process.stdout.write('\r\x1b[2K');
  }
}

type Reader = NonNullable<subprocess.Process['stdout']>;
type Writer = NonNullable<subprocess.Process['stdin']>;

async function handOver(from: Reader, to: Writer, progress: Progress): Promise<void> {
  for (;;) {
    const data = await from.read(64 * 1024);
    if (data.length === 0) break;
    to.write(data);
    await to.drain();
    progress.take(data.length);
  }
  to.close();
}

async function measure(from: Reader, progress: Progress): Promise<void> {
  for (;;) {
    const data = await from.read(64 * 1024);
    if (data.length === 0) break;
    progress.packed += data.length;
  }
}

async function redraw(progress: Progress): Promise<void> {
  for (;;) {
    progress.draw();
    await sleep(REDRAW_SECONDS);
  }
}

async function main(): Promise<void> {
  console.log(`seq ${LINES} | gzip`);
  const progress = new Progress();
  await using seq = await createSubprocessExec('seq', [String(LINES)], { stdout: PIPE });
  await using gzip = await createSubprocessExec('gzip', ['-c'], { stdin: PIPE, stdout: PIPE });
  try {
    await new TaskGroup().run(async (group) => {
      const drawing = isDrawing ? group.createTask(() => redraw(progress)) : null;
      const handing = group.createTask(() => handOver(seq.stdout as Reader, gzip.stdin as Writer, progress));
      await measure(gzip.stdout as Reader, progress);
      await handing;
      drawing?.cancel();
    });
  } finally {
    progress.clear();
  }
  const codes = [await seq.wait(), await gzip.wait()];
  console.log(
    `  ${megabytes(progress.taken)} in, ${megabytes(progress.packed)} out, exit codes ${codes.join(' and ')}`,
  );
}

await run(main);
