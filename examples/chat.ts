/**
 * A chat server on streams: what one client says, all others read.
 *
 * Every client has a task of its own, in which the conversation reads from top to bottom. `for await` over the reader
 * gives its lines, and ends when the client goes. The clients of the demonstration are in `embedded/chat-visitors.ts`.
 *
 *   node chat.js              a demonstration with three clients
 *   node chat.js --port 8888  serves until Ctrl-C; try `nc 127.0.0.1 8888` in two windows
 */
import { parseArgs } from 'node:util';
import { getRunningLoop, run, startServer, type StreamReader, type StreamWriter } from 'asyncio-ts';
import { visit } from './embedded/chat-visitors.ts';

/** Who has more than this waiting does not read: no reason to fill our memory. */
const PATIENCE = 1024 * 1024;

const room = new Map<string, StreamWriter>();

/** Write a line to everybody but one. */
function tell(text: string, except: string): void {
  const line = Buffer.from(`${text}\n`);
  for (const [name, writer] of room) {
    if (name === except) continue;
    // Never waits: one slow client must not hold up the others.
    writer.write(line);
    if (writer.transport.getWriteBufferSize() > PATIENCE) writer.transport.abort();
  }
}

async function serve(reader: StreamReader, writer: StreamWriter): Promise<void> {
  // Closed at the end of this function, however it ends.
  await using _ = writer;
  const name = (await reader.readline()).toString().trim();
  if (name === '' || room.has(name)) {
    writer.write(Buffer.from('* that is no name for you\n'));
    return;
  }
  writer.write(Buffer.from(`* welcome; here: ${[...room.keys()].join(', ') || 'nobody'}\n`));
  room.set(name, writer);
  tell(`* ${name} is here`, name);
  try {
    for await (const line of reader) tell(`${name}: ${line.toString().trimEnd()}`, name);
  } finally {
    room.delete(name);
    tell(`* ${name} has left`, name);
  }
}

async function main(port: number | null): Promise<void> {
  const server = await startServer(serve, '127.0.0.1', port ?? 0);
  try {
    const [, actual] = server.sockets[0]!.getsockname();
    if (port === null) return await visit(actual);
    console.log(`listening on 127.0.0.1:${actual}`);
    // Until Ctrl-C cancels it.
    await getRunningLoop().createFuture<never>();
  } finally {
    server.close();
    server.closeClients();
  }
}

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const port = values.port === undefined ? null : Number(values.port);

await run(() => main(port));
