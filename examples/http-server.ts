/**
 * Tasks in a web server. Every request of Node's own HTTP server becomes a task of one loop by `runner.submit`. The
 * tasks share a limit of two at work at once, and a task whose client goes away is cancelled, wherever it waits.
 *
 *   node build/examples/http-server.js              a demonstration: serves a few clients of its own, then ends
 *   node build/examples/http-server.js --port 8000  serves until Ctrl-C
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import {
  type Future,
  gather,
  getRunningLoop,
  KeyboardInterrupt,
  Runner,
  sleep,
  TimeoutError,
  waitFor,
} from 'asyncio-ts';
import { ClientSession } from 'asyncio-ts/http';

const AT_ONCE = 2;

/** Lets so many in at once; the others wait in line. Whoever is cancelled in line leaves it. */
class Gate {
  #places: number;
  readonly #line: Future<void>[] = [];

  constructor(places: number) {
    this.#places = places;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#places > 0) {
      this.#places--;
      return;
    }
    const turn = getRunningLoop().createFuture<void>();
    this.#line.push(turn);
    try {
      await turn;
    } catch (error) {
      // Cancelled when the place was its own already: it goes to the next.
      if (!turn.cancelled()) this.#leave();
      throw error;
    }
  }

  #leave(): void {
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) {
      if (next.done()) continue;
      next.setResult();
      return;
    }
    this.#places++;
  }
}

const start = performance.now();

function log(text: string): void {
  const seconds = (performance.now() - start) / 1000;
  console.log(`${seconds.toFixed(2).padStart(6)}  ${text}`);
}

/** Serve one request: `/NAME?seconds=S` is work of so many seconds. */
async function handle(request: IncomingMessage, response: ServerResponse, gate: Gate): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://host');
  const name = pathname.slice(1) || 'nobody';
  let isDone = false;
  try {
    await gate.pass(async () => {
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
  const gate = new Gate(AT_ONCE);
  const server = createServer((request, response) => {
    // The signal aborts when the connection ends before the answer is out.
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort('the client is gone');
    });
    runner
      .submit(() => handle(request, response, gate), { signal: gone.signal })
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
    () => visit(session, 'ann', 0.6, 10),
    () => visit(session, 'bob', 5, 0.5),
    () => visit(session, 'cid', 0.4, 10),
    () => visit(session, 'dan', 0.1, 0.3),
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
