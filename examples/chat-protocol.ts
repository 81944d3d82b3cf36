/**
 * The chat once more, as a protocol: the loop calls `connectionMade`, `dataReceived` and `connectionLost`, and there is no
 * task per client. That costs less, and the program has to do by itself what streams do: put lines together, and remember
 * where in the conversation it is. Take it where every microsecond counts, or where nothing is ever waited for, as here.
 *
 *   node chat-protocol.js              the demonstration of chat.js
 *   node chat-protocol.js --port 8888  serves until Ctrl-C
 */
import { parseArgs } from 'node:util';
import { getRunningLoop, Protocol, run, type Transport } from 'asyncio-ts';
import { visit } from './embedded/chat-visitors.ts';

const LONGEST_LINE = 64 * 1024;
/** Who has more than this waiting does not read: no reason to fill our memory. */
const PATIENCE = 1024 * 1024;

class Chat extends Protocol {
  readonly #room: Map<string, Chat>;
  #transport!: Transport;
  #name: string | null = null;
  #rest = Buffer.alloc(0);

  constructor(room: Map<string, Chat>) {
    super();
    this.#room = room;
  }

  override connectionMade(transport: Transport): void {
    this.#transport = transport;
  }

  /** Some bytes: a part of a line, or several lines. */
  override dataReceived(data: Buffer): void {
    const bytes = Buffer.concat([this.#rest, data]);
    let start = 0;
    for (let end: number; (end = bytes.indexOf('\n', start)) !== -1; start = end + 1) {
      this.#lineReceived(bytes.toString('utf8', start, end).trimEnd());
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > LONGEST_LINE) this.#transport.abort();
  }

  override connectionLost(): void {
    if (this.#name === null) return;
    this.#room.delete(this.#name);
    this.#tell(`* ${this.#name} has left`);
  }

  #lineReceived(line: string): void {
    if (this.#name !== null) this.#tell(`${this.#name}: ${line}`);
    else if (line === '' || this.#room.has(line)) {
      this.#write('* that is no name for you');
      this.#transport.close();
    } else {
      this.#write(`* welcome; here: ${[...this.#room.keys()].join(', ') || 'nobody'}`);
      this.#name = line;
      this.#room.set(line, this);
      this.#tell(`* ${line} is here`);
    }
  }

  #tell(text: string): void {
    for (const other of this.#room.values()) if (other !== this) other.#write(text);
  }

  #write(text: string): void {
    this.#transport.write(Buffer.from(`${text}\n`));
    if (this.#transport.getWriteBufferSize() > PATIENCE) this.#transport.abort();
  }
}

async function main(port: number | null): Promise<void> {
  const room = new Map<string, Chat>();
  const server = await getRunningLoop().createServer(() => new Chat(room), '127.0.0.1', port ?? 0);
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
