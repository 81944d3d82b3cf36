/**
 * Tasks in a web server. Every request of Node's own HTTP server becomes a task of one loop by `runner.submit`. A
 * semaphore lets two of them work at once, and a task whose client goes away is cancelled, wherever it waits.
 *
 *   node build/examples/http-server.js              a demonstration: serves a few clients of its own, then ends
 *   node build/examples/http-server.js --port 8000  serves until Ctrl-C
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import {
  gather,
  getRunningLoop,
  KeyboardInterrupt,
  Runner,
  Semaphore,
  sleep,
  TimeoutError,
  waitFor,
} from 'asyncio-ts';
import { ClientSession } from 'asyncio-ts/http';

const AT_ONCE = 2;

const start = performance.now();

function log(text: string): void {
  const seconds = (performance.now() - start) / 1000;
  console.log(`${seconds.toFixed(2).padStart(6)}  ${text}`);
}

/** Serve one request: `/NAME?seconds=S` is work of so many seconds. */
async function handle(request: IncomingMessage, response: ServerResponse, places: Semaphore): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://host');
  const name = pathname.slice(1) || 'nobody';
  let isDone = false;
  try {
    await places.run(async () => {
      log(`${name}: at work`);
      await sleep(Number(searchParams.get('seconds') ?? 0));
      response.end(`done, ${name}\n`);
      isDone = true;
    });
  } finally {
    log(`${name}: ${isDone ? 'served' : 'cancelled'}`);
  }
}

async function listen(runner: Runner, port: number): Promise<Server> {
  const places = new Semaphore(AT_ONCE);
  const server = createServer((request, response) => {
    // The signal aborts when the connection ends before the answer is out.
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort('the client is gone');
    });
    runner
      .submit(() => handle(request, response, places), { signal: gone.signal })
      .catch((error: Error) => {
        if (error.name !== 'CancelledError') response.writeHead(500).end(`${error.message}\n`);
      });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** A client who waits no longer than `patience` seconds. */
async function visit(
  session: ClientSession,
  name: string,
  seconds: number,
  patience: number,
): Promise<string> {
  const request = session.get(name, { params: { seconds } }).run((response) => response.text());
  try {
    return (await waitFor(request, patience)).trim();
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    return `${name} went away after ${patience} s`;
  }
}

async function demonstrate(url: string): Promise<void> {
  await using session = new ClientSession(url);
  const answers = await gather(
    () => visit(session, 'ann', 2, 10),
    () => visit(session, 'bob', 5, 1.5),
    () => visit(session, 'cid', 0.4, 10),
    () => visit(session, 'dan', 0.1, 1),
    () => visit(session, 'eve', 0.1, 10),
  );
  // The server hears of the last departure.
  await sleep(0.05);
  console.log('What the clients got:');
  for (const answer of answers) console.log(`  ${answer}`);
}

async function main(runner: Runner, port: number | null): Promise<void> {
  const server = await listen(runner, port ?? 0);
  const { port: actual } = server.address() as AddressInfo;
  try {
    log(`listening on http://127.0.0.1:${actual}/`);
    if (port === null) await demonstrate(`http://127.0.0.1:${actual}/`);
    else await getRunningLoop().createFuture<void>();
  } finally {
    server.close();
    server.closeAllConnections();
    log('closed');
  }
}

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const port = values.port === undefined ? null : Number(values.port);

await using runner = new Runner();
try {
  await runner.run(() => main(runner, port));
} catch (error) {
  if (!(error instanceof KeyboardInterrupt)) throw error;
  process.exitCode = 130;
}
