/**
 * A TCP proxy, written in generators: two pumps per client, one for each direction.
 *
 * The slower side decides: while the client does not read, `drain` waits, the pump does not read from the server, and the
 * server has to wait. The end of the data is passed on as it came, in one direction while the other one goes on. If one
 * pump fails, the group cancels the other.
 *
 *   node proxy.js                                   a demonstration
 *   node proxy.js --port 8080 --to example.org:80   serves until Ctrl-C
 */
import { parseArgs } from 'node:util';
import {
  coroutine,
  type Gen,
  getRunningLoop,
  openConnection,
  run,
  type Server,
  sleep,
  startServer,
  type StreamReader,
  type StreamWriter,
  TaskGroup,
} from 'asyncio-ts';

const CHUNK = 64 * 1024;
const DOWNLOAD = 24 * 2 ** 20;

const kib = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`;

/** Read from one, write to the other, up to the end. */
const pump = coroutine(function* pump(from: StreamReader, to: StreamWriter) {
  let bytes = 0;
  let most = 0;
  for (;;) {
    const data = yield* from.read(CHUNK);
    if (data.length === 0) break;
    to.write(data);
    bytes += data.length;
    most = Math.max(most, to.transport.getWriteBufferSize());
    yield* to.drain();
  }
  to.writeEof();
  return { bytes, most };
});

/** Serve one client. */
function* forward(reader: StreamReader, writer: StreamWriter, host: string, port: number): Gen<void> {
  let target: StreamWriter | null = null;
  try {
    const [answers, requests] = yield* openConnection(host, port);
    target = requests;
    yield* new TaskGroup().run(function* (group) {
      const upward = group.createTask(pump(reader, requests));
      const down = yield* pump(answers, writer);
      const up = yield* upward;
      console.log(`  proxy: ${kib(up.bytes)} up, ${kib(down.bytes)} down, at most ${kib(down.most)} held`);
    });
  } catch (error) {
    // A connection that breaks is everyday life. Anything else, a cancellation above all, is not ours to catch.
    if (!isConnectionError(error)) throw error;
    console.log('  proxy: the connection broke, both sides are closed');
  } finally {
    // Nobody is left who would read.
    target?.transport.abort();
    writer.close();
  }
}

/** The group wraps what its tasks throw. */
function isConnectionError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isConnectionError);
  return ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');
}

const portOf = (server: Server): number => server.sockets[0]!.getsockname()[1];

const startProxy = (host: string, port: number, at: number) =>
  startServer((reader, writer) => forward(reader, writer, host, port), '127.0.0.1', at);

// From here on: the demonstration.

/** A server that sends as many bytes as it is asked for, or counts what it gets. */
function* work(reader: StreamReader, writer: StreamWriter): Gen<void> {
  const [command, size] = (yield* reader.readline()).toString().trim().split(' ');
  try {
    if (command === 'get') {
      const block = Buffer.alloc(CHUNK);
      for (let sent = 0; sent < Number(size); sent += block.length) {
        writer.write(block);
        yield* writer.drain();
      }
    } else {
      const data = yield* reader.read();
      writer.write(Buffer.from(`thank you for ${kib(data.length)}\n`));
    }
  } catch (error) {
    if (!isConnectionError(error)) throw error;
  } finally {
    writer.close();
  }
}

function* demonstrate(port: number): Gen<void> {
  console.log('A client sends, ends its half of the connection, and reads the answer:');
  const [thanks, upload] = yield* openConnection('127.0.0.1', port);
  upload.write(Buffer.from('put\n'));
  upload.write(Buffer.alloc(500 * 1024));
  upload.writeEof();
  console.log(`  client: ${(yield* thanks.readline()).toString().trim()}`);
  upload.close();
  yield* sleep(0.05);

  console.log(`A client who is slow fetches ${kib(DOWNLOAD)}:`);
  const [download, order] = yield* openConnection('127.0.0.1', port);
  order.write(Buffer.from(`get ${DOWNLOAD}\n`));
  yield* sleep(0.3);
  const data = yield* download.read();
  console.log(`  client: got ${kib(data.length)}`);
  order.close();
  yield* sleep(0.05);

  console.log('A client hangs up in the middle:');
  const [, rude] = yield* openConnection('127.0.0.1', port);
  rude.write(Buffer.from(`get ${DOWNLOAD}\n`));
  yield* sleep(0.1);
  rude.transport.abort();
  yield* sleep(0.1);
}

function* main(): Gen<void> {
  const { values } = parseArgs({ options: { port: { type: 'string' }, to: { type: 'string' } } });
  if (values.to !== undefined) {
    const [host = '', port] = values.to.split(':');
    const proxy = yield* startProxy(host, Number(port), Number(values.port ?? 0));
    console.log(`127.0.0.1:${portOf(proxy)} leads to ${values.to}`);
    // Until Ctrl-C cancels it.
    yield* getRunningLoop().createFuture<never>();
  }
  const server = yield* startServer(work, '127.0.0.1', 0);
  const proxy = yield* startProxy('127.0.0.1', portOf(server), 0);
  yield* demonstrate(portOf(proxy));
  proxy.close();
  server.close();
}

await run(main);
