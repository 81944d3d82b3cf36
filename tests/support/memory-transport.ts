/** A transport in memory, for tests that need no socket. */
import { getRunningLoop, type Protocol, Transport } from 'asyncio-ts';

/** Keeps what is written until `flush`; tells its protocol what the test says, each in a handle of its own. */
export class MemoryTransport extends Transport {
  readonly written: Buffer[] = [];
  readonly calls: string[] = [];
  high = 64 * 1024;
  waiting = 0;
  isPaused = false;
  isReadingPaused = false;
  canHalfClose = true;
  #isClosing = false;
  readonly #protocol: Protocol;
  readonly #loop = getRunningLoop();

  constructor(protocol: Protocol, extra: Record<string, unknown> = {}) {
    super(extra);
    this.#protocol = protocol;
  }

  get text(): string {
    return Buffer.concat(this.written).toString();
  }

  override write(data: Uint8Array): void {
    this.written.push(Buffer.from(data));
    this.waiting += data.length;
    if (this.isPaused || this.waiting <= this.high) return;
    this.isPaused = true;
    this.#protocol.pauseWriting();
  }

  override writelines(data: Iterable<Uint8Array>): void {
    for (const chunk of data) this.write(chunk);
  }

  override writeEof(): void {
    this.calls.push('writeEof');
  }

  override canWriteEof(): boolean {
    return this.canHalfClose;
  }

  /** The peer has taken everything. */
  flush(): void {
    this.waiting = 0;
    if (!this.isPaused) return;
    this.isPaused = false;
    this.#protocol.resumeWriting();
  }

  override isClosing(): boolean {
    return this.#isClosing;
  }

  override close(): void {
    this.calls.push('close');
    this.lose(null);
  }

  override abort(): void {
    this.calls.push('abort');
    this.lose(null);
  }

  /** The connection ends, in the next turn. */
  lose(error: Error | null): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#loop.callSoon(() => this.#protocol.connectionLost(error));
  }

  override pauseReading(): void {
    this.calls.push('pauseReading');
    this.isReadingPaused = true;
  }

  override resumeReading(): void {
    this.calls.push('resumeReading');
    this.isReadingPaused = false;
  }

  override getProtocol(): Protocol {
    return this.#protocol;
  }

  override toString(): string {
    return '<MemoryTransport>';
  }
}
