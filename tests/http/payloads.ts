/** Where payloads write in tests, and what readers read from. */
import { coroutine, type Coroutine } from 'asyncio-ts';
import type { MultipartContent, Payload } from 'asyncio-ts/http';

/** A writer that keeps what is written. */
export class Collector {
  readonly chunks: Uint8Array[] = [];
  outputSize = 0;

  // Generators have no arrow form.
  readonly write = coroutine(async (chunk: Uint8Array): Promise<void> => {
    this.chunks.push(chunk);
    this.outputSize += chunk.length;
  });
  readonly writeEof = coroutine(async (): Promise<void> => {});
  readonly drain = coroutine(async (): Promise<void> => {});

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }
}

/** What `payload` writes, `contentLength` bytes at most. */
export async function written(payload: Payload, contentLength: number | null = null): Promise<Buffer> {
  const writer = new Collector();
  await payload.writeWithLength(writer, contentLength);
  return writer.bytes;
}

/** A content that gives one of `chunks` after the other, none of them joined. */
export class Chunks implements MultipartContent {
  readonly #chunks: Buffer[];
  #place = 0;
  /** How many reads there were. */
  reads = 0;

  constructor(...chunks: (string | Uint8Array)[]) {
    this.#chunks = chunks.map((chunk) => Buffer.from(chunk as string)).filter(({ length }) => length > 0);
  }

  read(n: number): Coroutine<Buffer> {
    return readFrom(this, n);
  }

  unreadData(data: Uint8Array): void {
    this.#chunks.splice(0, this.#place, Buffer.from(data));
    this.#place = 0;
  }

  atEof(): boolean {
    return this.#place === this.#chunks.length;
  }

  take(n: number): Buffer {
    this.reads++;
    const first = this.#chunks[this.#place] ?? Buffer.alloc(0);
    if (first.length > n) this.#chunks[this.#place] = first.subarray(n);
    else if (first.length > 0) this.#place++;
    return first.subarray(0, n);
  }

  /** All that is left. */
  get rest(): string {
    return Buffer.concat(this.#chunks.slice(this.#place)).toString('latin1');
  }
}

const readFrom = coroutine(function* read(content: Chunks, n: number) {
  return content.take(n);
});
