/** Bytes that wait to be read. No counterpart in CPython, which moves them through one `bytearray`. */

/** No bytes. */
export const EMPTY: Buffer = Buffer.alloc(0);

/** From so many chunks on, small ones are put together: a chunk of one byte takes as much memory as one of a hundred. */
const MANY_CHUNKS = 256;
/** A chunk of fewer bytes is small. */
const SMALL_CHUNK = 256;

/** The same memory as a Buffer. */
export function asBuffer(data: Uint8Array): Buffer {
  return data instanceof Buffer ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Free the memory of a chunk, unless it is a part of something larger. Node 20 leaves that to the collector. */
function free({ buffer, length }: Buffer): void {
  if (length === buffer.byteLength) (buffer as { transfer?(size: number): ArrayBuffer }).transfer?.(0);
}

/**
 * Chunks as they came, and how much of the first is taken already. What is taken shares the memory of its chunk; only
 * what lies in several chunks is copied, once.
 *
 * Places are counted from the first byte that is left.
 */
export class ByteBuffer {
  #chunks: Buffer[] = [];
  /** Which chunk is the first that is left. */
  #first = 0;
  /** How much of it is taken. */
  #offset = 0;
  /** How many bytes are left. */
  length = 0;
  /** How many bytes were taken: a place plus this stays true when more are taken. */
  taken = 0;

  /** Append `chunk`, which is not empty and belongs to this buffer from now on. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.length += chunk.length;
    const count = this.#chunks.length - this.#first;
    if (count >= MANY_CHUNKS && this.length < count * SMALL_CHUNK) this.#join();
  }

  /** How many bytes are left of the first chunk; 0 if there is none. */
  get firstSize(): number {
    const chunk = this.#chunks[this.#first];
    return chunk === undefined ? 0 : chunk.length - this.#offset;
  }

  #join(): void {
    const all = this.#copy(this.length);
    this.#reset();
    this.#chunks.push(all);
  }

  #reset(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#offset = 0;
  }

  /** The first `count` bytes; there must be as many, and at least one. */
  take(count: number): Buffer {
    const chunk = this.#chunks[this.#first] as Buffer;
    const start = this.#offset;
    const end = start + count;
    if (end > chunk.length) {
      const bytes = this.#copy(count);
      this.skip(count);
      return bytes;
    }
    this.length -= count;
    this.taken += count;
    if (end < chunk.length) this.#offset = end;
    else this.#dropFirst();
    return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
  }

  /** All bytes that are left. */
  takeAll(): Buffer {
    return this.length === 0 ? EMPTY : this.take(this.length);
  }

  /**
   * All bytes that are left, where nobody else has any of them. The memory that they came in is given back at once, as far
   * as Node can: it counts as the collector's burden until that runs, and a large body would make it run often.
   */
  drain(): Buffer {
    if (this.#chunks.length - this.#first < 2) return this.takeAll();
    const bytes = this.#copy(this.length);
    // Of the first, a part may be somebody's.
    for (let place = this.#first + 1; place < this.#chunks.length; place++) {
      free(this.#chunks[place] as Buffer);
    }
    this.clear();
    return bytes;
  }

  /** Drop the first `count` bytes. */
  skip(count: number): void {
    this.length -= count;
    this.taken += count;
    for (let left = count; left > 0; ) {
      const rest = (this.#chunks[this.#first] as Buffer).length - this.#offset;
      if (left < rest) {
        this.#offset += left;
        return;
      }
      left -= rest;
      this.#dropFirst();
    }
  }

  #dropFirst(): void {
    this.#offset = 0;
    if (this.#first === 0 && this.#chunks.length === 1) {
      this.#chunks.pop();
      return;
    }
    this.#chunks[this.#first] = EMPTY;
    this.#first++;
    // Each is moved once for every time that it was passed by.
    if (this.#first * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#first);
    this.#first = 0;
  }

  #copy(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count);
    let offset = this.#offset;
    let place = this.#first;
    for (let filled = 0; filled < count; place++) {
      const chunk = this.#chunks[place] as Buffer;
      filled += chunk.copy(bytes, filled, offset, Math.min(chunk.length, offset + count - filled));
      offset = 0;
    }
    return bytes;
  }

  /** Move all that is left to the end of `other`. */
  moveTo(other: ByteBuffer): void {
    if (this.#offset > 0) this.#cutFirst();
    for (let place = this.#first; place < this.#chunks.length; place++) {
      other.push(this.#chunks[place] as Buffer);
    }
    this.clear();
  }

  /** Take the bytes of `other` in before all others. Places that were known before are void. */
  putBack(other: ByteBuffer): void {
    if (other.length === 0) return;
    this.moveTo(other);
    other.moveTo(this);
    this.taken += this.length;
  }

  #cutFirst(): void {
    this.#chunks[this.#first] = (this.#chunks[this.#first] as Buffer).subarray(this.#offset);
    this.#offset = 0;
  }

  /** Drop all bytes. */
  clear(): void {
    this.taken += this.length;
    this.length = 0;
    this.#reset();
  }

  /**
   * Where `wanted` begins.
   *
   * @param wanted - a byte, or several.
   * @param from - the place to begin at.
   * @param before - what is found has to end here or earlier.
   * @returns -1 if it is not there.
   */
  indexOf(wanted: number | Uint8Array, from: number, before: number = this.length): number {
    const chunks = this.#chunks;
    const size = typeof wanted === 'number' ? 1 : wanted.length;
    if (from + size > before) return -1;
    // For a single byte Node has a faster search.
    const sought = typeof wanted !== 'number' && size === 1 ? (wanted[0] as number) : wanted;
    // What was looked through already lies at the beginning: the last chunks are near.
    let place = this.#first;
    let base = -this.#offset;
    if (from > 0 && from >= base + (chunks[place] as Buffer).length) {
      place = chunks.length - 1;
      base = this.length - (chunks[place] as Buffer).length;
      while (base > from) base -= (chunks[--place] as Buffer).length;
    }
    for (let start = from - base; base + start + size <= before; place++) {
      let chunk = chunks[place] as Buffer;
      const { length } = chunk;
      if (before - base + SMALL_CHUNK < length) chunk = chunk.subarray(0, before - base);
      let found = chunk.indexOf(sought, start);
      if (found === -1 && size > 1) found = this.#acrossChunks(wanted as Uint8Array, place, start);
      if (found !== -1) return base + found + size <= before ? base + found : -1;
      base += length;
      start = 0;
    }
    return -1;
  }

  /** Where in the chunk at `place` `wanted` begins, to go on in the next. */
  #acrossChunks(wanted: Uint8Array, place: number, start: number): number {
    const chunk = this.#chunks[place] as Buffer;
    for (let i = Math.max(start, chunk.length - wanted.length + 1); i < chunk.length; i++) {
      if (chunk[i] === wanted[0] && this.#isAt(wanted, place, i)) return i;
    }
    return -1;
  }

  #isAt(wanted: Uint8Array, place: number, start: number): boolean {
    let chunk = this.#chunks[place] as Buffer;
    let i = start;
    for (const byte of wanted) {
      if (i === chunk.length) {
        if (++place === this.#chunks.length) return false;
        chunk = this.#chunks[place] as Buffer;
        i = 0;
      }
      if (chunk[i++] !== byte) return false;
    }
    return true;
  }
}
