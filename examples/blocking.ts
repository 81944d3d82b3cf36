/**
 * Blocking against non-blocking: the same reads done both ways, and what the rest of the program gets done meanwhile.
 *
 * A heartbeat task wants to run every 10 ms. While a blocking read waits for a disk or a server, the whole thread
 * stands still and the heart does not beat; while a coroutine waits, everybody else goes on, other reads included. So
 * ten reads of a slow server take ten times as long in one way, and as long as one in the other.
 */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTask, gather, getRunningLoop, run, sleep } from 'asyncio-ts';
import { open } from 'asyncio-ts/files';
import { ClientSession } from 'asyncio-ts/http';
import { BlockingReader } from './embedded/blocking-reader.ts';
import { startSlowServer } from './embedded/slow-server.ts';

const FILE_MIB = 8;
const FILE_READS = 24;
const URL_DELAY = 0.1;
const URL_READS = 10;
const HEARTBEAT = 0.01;

/** Do `work` with a heart beating beside it, and print how both fared. */
async function measure(label: string, work: () => unknown): Promise<void> {
  let beats = 0;
  const heart = createTask(async () => {
    for (;;) {
      await sleep(HEARTBEAT);
      beats++;
    }
  });
  // The heart starts beating.
  await sleep(0);
  const loop = getRunningLoop();
  const start = loop.time();
  await work();
  const seconds = loop.time() - start;
  const got = beats;
  heart.cancel();
  const wanted = Math.floor(seconds / HEARTBEAT);
  console.log(`  ${label.padEnd(13)} ${seconds.toFixed(2)} s, ${got} of ${wanted} heartbeats`);
}

async function readFiles(file: string): Promise<void> {
  console.log(`Reading a file of ${FILE_MIB} MiB, ${FILE_READS} times:`);
  await measure('blocking', () => {
    for (let i = 0; i < FILE_READS; i++) readFileSync(file);
  });
  await measure('non-blocking', async () => {
    for (let i = 0; i < FILE_READS; i++) await open(file, 'rb').run((opened) => opened.read());
  });
}

async function readUrls(): Promise<void> {
  console.log(`Reading a URL that takes ${URL_DELAY} s to answer, ${URL_READS} times:`);
  await using server = await startSlowServer(URL_DELAY);
  await using reader = await BlockingReader.start();
  await using session = new ClientSession();
  // Once before the clock runs, so that both have loaded what they need.
  reader.read(server.url);
  await session.get(server.url).run((response) => response.text());
  await measure('blocking', () => {
    for (let i = 0; i < URL_READS; i++) reader.read(server.url);
  });
  await measure('non-blocking', () =>
    gather(
      Array.from({ length: URL_READS }, () => session.get(server.url).run((response) => response.text())),
    ),
  );
  console.log('  (Node has no blocking read of a URL: here a worker fetches while the main thread sleeps.)');
}

async function main(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-ts-'));
  try {
    const file = path.join(folder, 'large.bin');
    writeFileSync(file, '');
    truncateSync(file, FILE_MIB * 2 ** 20);
    await readFiles(file);
    await readUrls();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await run(main);
