/** Bytes between a file and its reader or writer. Counterpart: `BufferedRandom` of Python's `io`. */
import type { FileHandle } from 'node:fs/promises';

/** How many bytes are read, and gathered before they are written. Node reads faster in larger pieces than Python's 8192. */
const BUFFER_SIZE = 64 * 1024;

/** How many bytes are read at once: other work waits for the same threads. */
const LARGEST_READ = 8 * 1024 * 1024;

/**
 * A file with one buffer for reading and one for writing. What is begun here goes on to its end, one thing at a time,
 * even if nobody waits for it any more: what was read stays in the buffer, what is being written is written whole, and
 * what went wrong is thrown to whoever comes next.
 */
export class BufferedFile {
  readonly #handle: FileHandle;
  /** Whether it has positions; a pipe or a terminal has none. */
  readonly isSeekable: boolean;
  readonly #appends: boolean;
  /** Where the next bytes come from or go to. */
  #position: number;
  #buffer = Buffer.alloc(0);
  /** The bytes that were read and not taken. */
  start = 0;
  end = 0;
  /** Counts what was read: a new number, other bytes. */
  version = 0;
  #isAtEnd = false;
  /** How long it was when it was opened, or what `measure` has found; 0 if it has no positions. */
  size: number;
  #written: Uint8Array[] = [];
  #writtenSize = 0;
  /** What runs now. */
  #running: Promise<void> | null = null;
  /** Called when its end begins. */
  onClosing: () => void = () => {};
  /** What became of something that nobody waited for. */
  #failure: { error: unknown } | null = null;

  constructor(handle: FileHandle, isSeekable: boolean, appends: boolean, size: number) {
    this.#handle = handle;
    this.isSeekable = isSeekable;
    this.#appends = appends;
    this.size = isSeekable ? size : 0;
    this.#position = appends ? size : 0;
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** The bytes that were read; those from `start` to `end` are not taken. */
  get bytes(): Buffer {
    return this.#buffer;
  }

  /** Whether there was nothing more to read, the last time. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** What runs now; it never rejects. */
  get running(): Promise<void> | null {
    return this.#running;
  }

  /** Throw what was thrown, once. */
  check(): void {
    if (this.#failure === null) return;
    const { error } = this.#failure;
    this.#failure = null;
    throw error;
  }

  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** Whether so much is gathered that it should be written. */
  get isFull(): boolean {
    return this.#writtenSize >= BUFFER_SIZE;
  }

  get hasWritten(): boolean {
    return this.#writtenSize > 0;
  }

  /** Where the reader or writer is. */
  get position(): number {
    return this.#position - (this.end - this.start) + this.#writtenSize;
  }

  #start(work: () => Promise<void>): void {
    this.#running = work().then(
      () => {
        this.#running = null;
      },
      (error: unknown) => {
        this.#running = null;
        this.#failure = { error };
      },
    );
  }

  /** Read more, behind what is there; if all is wanted, into room for all that is known of. */
  fill(isAllWanted: boolean): void {
    this.#start(async () => {
      const rest = this.size - this.#position;
      // One more: less than was asked for shows that there is no more.
      this.#makeRoom(isAllWanted && this.size > 0 && rest >= 0 ? rest + 1 : 0);
      const buffer = this.#buffer;
      const place = this.isSeekable ? this.#position : null;
      const wanted = Math.min(buffer.length - this.end, LARGEST_READ);
      const { bytesRead } = await this.#handle.read(buffer, this.end, wanted, place);
      this.#position += bytesRead;
      this.end += bytesRead;
      // Files that the system makes up have no size, and may give less than there is.
      this.#isAtEnd = bytesRead === 0 || (bytesRead < wanted && this.size > 0 && this.#position >= this.size);
      this.version++;
    });
  }

  /** Room for `rest` bytes, or where that is 0 for a piece. */
  #makeRoom(rest: number): void {
    const unread = this.end - this.start;
    if (unread === 0) this.start = this.end = 0;
    if (this.#buffer.length - this.end >= (rest || BUFFER_SIZE / 2)) return;
    // The room doubles, so that a long line or a whole file is copied a constant number of times.
    const size = unread > this.#buffer.length / 2 ? 2 * this.#buffer.length : this.#buffer.length;
    const buffer = Buffer.allocUnsafeSlow(Math.max(size, rest > 0 ? unread + rest : BUFFER_SIZE));
    this.#buffer.copy(buffer, 0, this.start, this.end);
    this.#buffer = buffer;
    this.start = 0;
    this.end = unread;
    this.version++;
  }

  /** Take so many bytes: a copy, or the memory itself if there is little else in it. */
  take(size: number): Buffer {
    const bytes = this.#buffer.subarray(this.start, this.start + size);
    this.start += size;
    if (this.start < this.end || 2 * size < this.#buffer.length) return Buffer.from(bytes);
    this.#buffer = Buffer.alloc(0);
    this.start = this.end = 0;
    this.version++;
    return bytes;
  }

  /** Give up what was read: the position is where the reader is. */
  forget(): void {
    this.#position -= this.end - this.start;
    this.start = this.end = 0;
    this.#isAtEnd = false;
  }

  /** Gather bytes that are to be written. They must not change. */
  gather(bytes: Uint8Array): void {
    this.forget();
    this.#written.push(bytes);
    this.#writtenSize += bytes.length;
  }

  /** Write what was gathered. */
  flush(): void {
    this.#start(async () => {
      const bytes =
        this.#written.length === 1 ? (this.#written[0] as Uint8Array) : Buffer.concat(this.#written);
      this.#written = [];
      this.#writtenSize = 0;
      const isPlaced = this.isSeekable && !this.#appends;
      for (let done = 0; done < bytes.length; ) {
        const place = isPlaced ? this.#position : null;
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, place);
        done += bytesWritten;
        this.#position += bytesWritten;
      }
      // Somebody else may append, too.
      if (this.#appends && this.isSeekable) this.#position = (await this.#handle.stat()).size;
    });
  }

  /** Go somewhere; all is written, nothing runs. */
  moveTo(position: number): void {
    this.forget();
    this.#position = position;
  }

  /** Find out how long the file is. */
  measure(): void {
    this.#start(async () => {
      this.size = (await this.#handle.stat()).size;
    });
  }

  /** Cut it off, or make it longer by zeros. */
  truncate(size: number): void {
    this.#start(() => this.#handle.truncate(size));
  }

  /** After what runs: write what was gathered, and close in any case. */
  async close(): Promise<void> {
    this.onClosing();
    try {
      await this.#running;
      this.check();
      if (this.hasWritten) this.flush();
      await this.#running;
      this.check();
    } finally {
      await this.#handle.close();
    }
  }
}
