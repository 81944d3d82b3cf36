/**
 * A server that leaves gracefully: at SIGTERM or Ctrl-C it accepts nobody any more, lets go of those who ask nothing, and
 * gives the requests that it is working on a bounded time to end.
 *
 * A client writes the number of seconds that its request takes, and may write the next one on the same connection.
 *
 *   node graceful.js              a demonstration: four clients, and a SIGTERM in the midst of them
 *   node graceful.js --port 8888  serves until SIGTERM or Ctrl-C
 */
import { parseArgs } from 'node:util';
import {
  createTask,
  gather,
  getRunningLoop,
  openConnection,
  run,
  type Server,
  sleep,
  startServer,
  type StreamReader,
  type StreamWriter,
  SystemExit,
  TimeoutError,
  timeout,
} from 'asyncio-ts';

/** Seconds that requests have to end. Less than the service manager gives us. */
const GRACE = 0.5;

const start = performance.now();

function log(text: string): void {
  const seconds = (performance.now() - start) / 1000;
  console.log(`${seconds.toFixed(1).padStart(6)}  ${text}`);
}

let isLeaving = false;
/** Connections on which nothing is asked at the moment. */
const idle = new Set<StreamWriter>();

async function serve(reader: StreamReader, writer: StreamWriter): Promise<void> {
  await using _ = writer;
  while (!isLeaving) {
    idle.add(writer);
    const line = (await reader.readline()).toString();
    idle.delete(writer);
    if (line === '') break;
    await sleep(Number(line));
    writer.write(Buffer.from(`done after ${line}`));
    await writer.drain();
  }
}

async function leave(server: Server): Promise<void> {
  isLeaving = true;
  server.close();
  log(`server: accepts nobody any more, ${idle.size} idle`);
  for (const writer of idle) writer.close();
  try {
    await timeout(GRACE).run(() => server.waitClosed());
    log('server: all requests are done');
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    log('server: time is up, the rest is cut off');
    server.abortClients();
  }
}

async function main(port: number | null): Promise<void> {
  const server = await startServer(serve, '127.0.0.1', port ?? 0);
  const [, actual] = server.sockets[0]!.getsockname();
  log(`server: listening on ${port === null ? 'a free port' : `127.0.0.1:${actual}`}`);
  const visitors = port === null ? createTask(() => visitAll(actual)) : null;
  try {
    // Until the signal cancels it.
    await getRunningLoop().createFuture<never>();
  } finally {
    await leave(server);
    await visitors;
  }
}

// From here on: the demonstration.

async function ask(port: number, name: string, requests: readonly number[]): Promise<void> {
  try {
    const [reader, writer] = await openConnection('127.0.0.1', port);
    await using _ = writer;
    for (const seconds of requests) {
      writer.write(Buffer.from(`${seconds}\n`));
      const answer = (await reader.readline()).toString().trim();
      log(`${name}: ${answer || 'got no answer'}`);
      if (answer === '') return;
    }
    await reader.read();
    log(`${name}: the server has closed the connection`);
  } catch (error) {
    log(`${name}: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
}

async function visitAll(port: number): Promise<void> {
  await gather(
    () => ask(port, 'ann, quick', [0.1]),
    () => ask(port, 'bob, at work', [0.1, 0.5]),
    () => ask(port, 'cid, too slow', [5]),
    async () => {
      await sleep(0.3);
      log('SIGTERM');
      process.kill(process.pid, 'SIGTERM');
      await sleep(0.1);
      await ask(port, 'dan, too late', [0.1]);
    },
  );
}

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const port = values.port === undefined ? null : Number(values.port);

try {
  await run(() => main(port), { handleSigterm: true });
} catch (error) {
  // What the demonstration wanted. A server rethrows it, and the process ends with 143.
  if (port !== null || !(error instanceof SystemExit)) throw error;
  log('gone');
}
