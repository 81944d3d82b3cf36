/** Frames at random, in pieces at random, beside a model that reads them all at once. */
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { ClientWSTimeout, WebSocketError, WSMsgType } from 'asyncio-ts/http';
import '../support/leaks.ts';
import {
  BINARY,
  CLOSE,
  closing,
  CONTINUATION,
  frame,
  PING,
  PONG,
  servePeer,
  switching,
  TEXT,
  withWebSocket,
} from './websocket-servers.ts';

const MAX_MSG_SIZE = 2000;

/** Numbers below `n`, the same for each seed. */
function makeRandom(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

type Random = ReturnType<typeof makeRandom>;

const TEXTS = ['', 'x', 'Grüße', '🌊🌊', 'a'.repeat(126), 'ß'.repeat(900), 'long '.repeat(380)];

function randomPayload(random: Random, isText: boolean): Buffer {
  if (random(40) === 0) return Buffer.alloc(MAX_MSG_SIZE + random(3), 'a');
  const payload = Buffer.from(TEXTS[random(TEXTS.length)] as string);
  if (!isText || random(30) === 0) {
    for (let i = 0; i < payload.length; i++) if (random(3) === 0) payload[i] = random(256);
  }
  return payload;
}

function randomControl(random: Random): Buffer {
  return frame(random(2) === 0 ? PING : PONG, 'x'.repeat(random(random(40) === 0 ? 200 : 126)));
}

function randomMessage(random: Random, isDeflating: boolean): Buffer[] {
  const opcode = random(2) === 0 ? TEXT : BINARY;
  let payload = randomPayload(random, opcode === TEXT);
  const isCompressed = isDeflating && random(2) === 0;
  if (isCompressed)
    payload = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const frames: Buffer[] = [];
  const count = random(3) === 0 ? 1 + random(4) : 1;
  for (let i = 0; i < count; i++) {
    const from = Math.floor((payload.length * i) / count);
    const to = Math.floor((payload.length * (i + 1)) / count);
    const options = { fin: i === count - 1, rsv: i === 0 && isCompressed ? 4 : 0 };
    frames.push(frame(i === 0 ? opcode : CONTINUATION, payload.subarray(from, to), options));
    if (random(4) === 0) frames.push(randomControl(random));
  }
  return frames;
}

const CODES = [1000, 1000, 1000, 1001, 1003, 1011, 3000, 4999, 1004, 1005, 999, 5000, 2000];

/** Proper frames for the most part, and something done to them. */
function randomBytes(random: Random, isDeflating: boolean): Buffer {
  const frames: Buffer[] = [];
  for (let count = 1 + random(8); count > 0; count--) frames.push(...randomMessage(random, isDeflating));
  if (random(3) > 0) frames.push(frame(CLOSE, closing(CODES[random(CODES.length)] as number, 'bye')));
  for (let harm = random(3); harm > 0 && frames.length > 1; harm--) {
    const at = random(frames.length);
    const victim = frames[at] as Buffer;
    if (victim.length < 2) continue;
    switch (random(6)) {
      case 0:
        frames.splice(at, 1);
        break;
      case 1:
        frames.splice(at, 0, frames[random(frames.length)] as Buffer);
        break;
      case 2:
        victim[0] = (victim[0] as number) ^ (1 << random(8));
        break;
      case 3:
        victim[1] = (victim[1] as number) ^ (1 << random(8));
        break;
      case 4:
        frames.splice(at, 0, Buffer.from(Array.from({ length: 1 + random(12) }, () => random(256))));
        break;
      default:
        frames[at] = victim.subarray(0, random(victim.length + 1));
    }
  }
  return Buffer.concat(frames);
}

interface Outcome {
  readonly messages: string[];
  /** The code of the peer's CLOSE (0 for none) or of the error, with a minus; null when the connection was lost. */
  readonly end: number | null;
}

class Violation extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`${code}`);
    this.code = code;
  }
}

function check(isFine: boolean, code = 1002): void {
  if (!isFine) throw new Violation(code);
}

/** What RFC 6455 and RFC 7692 make of all of the bytes. */
function model(bytes: Buffer, isDeflating: boolean): Outcome {
  const messages: string[] = [];
  let parts: Buffer[] | null = null;
  let opcode = 0;
  let isCompressed = false;
  let at = 0;
  /** The data of the parts so far: what is compressed is decompressed as it comes. */
  const join = (isLast: boolean): Buffer => {
    const data = Buffer.concat(parts as Buffer[]);
    if (!isCompressed) return data;
    let inflated: Buffer;
    try {
      const whole = isLast ? Buffer.concat([data, Buffer.from([0, 0, 0xff, 0xff])]) : data;
      inflated = inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH });
    } catch {
      throw new Violation(1007);
    }
    check(inflated.length <= MAX_MSG_SIZE, 1009);
    return inflated;
  };
  try {
    while (bytes.length - at >= 2) {
      const first = bytes[at++] as number;
      const second = bytes[at++] as number;
      const fin = first >= 0x80;
      const code = first & 15;
      const isControl = code >= 8;
      check((first & 0x30) === 0);
      const hasRsv1 = (first & 0x40) !== 0;
      check(!hasRsv1 || (isDeflating && (code === TEXT || code === BINARY)));
      check(code <= 2 || (code >= 8 && code <= 10));
      if (!isControl) check((code === CONTINUATION) === (parts !== null));
      let length = second & 0x7f;
      if (isControl) check(fin && length <= 125 && !(code === CLOSE && length === 1));
      check(second < 0x80);
      if (length >= 126) {
        const size = length === 126 ? 2 : 8;
        if (bytes.length - at < size) break;
        length = size === 2 ? bytes.readUInt16BE(at) : Number(bytes.readBigUInt64BE(at));
        at += size;
      }
      if (!isControl) {
        const before = (parts ?? []).reduce((sum: number, part: Buffer) => sum + part.length, 0);
        check(length === 0 || before + length <= MAX_MSG_SIZE, 1009);
      }
      if (bytes.length - at < length) break;
      const payload = bytes.subarray(at, at + length);
      at += length;
      if (code === CLOSE) {
        if (length === 0) return { messages, end: 0 };
        const reason = payload.readUInt16BE();
        const isKnown = reason >= 1000 && reason <= 1014 && ![1004, 1005, 1006].includes(reason);
        check(isKnown || (reason >= 3000 && reason <= 4999));
        check(isUtf8(payload.subarray(2)), 1007);
        return { messages, end: reason };
      }
      if (isControl) continue;
      if (code !== CONTINUATION) {
        parts = [];
        opcode = code;
        isCompressed = hasRsv1;
      }
      (parts as unknown as Buffer[]).push(payload);
      const data = join(fin);
      if (!fin) continue;
      if (opcode === TEXT) check(isUtf8(data), 1007);
      messages.push(`${opcode} ${data.toString('latin1')}`);
      parts = null;
    }
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { messages, end: -error.code };
  }
  return { messages, end: null };
}

async function play(bytes: Buffer, random: Random, isDeflating: boolean): Promise<Outcome> {
  await using site = await servePeer(
    async (peer) => {
      for (let at = 0; at < bytes.length && !peer.socket.destroyed; ) {
        const size = 1 + random(random(2) === 0 ? 5 : 3000);
        peer.send(bytes.subarray(at, at + size));
        at += size;
        if (random(4) === 0) await turn();
      }
      peer.socket.end();
    },
    (head) =>
      switching(
        head,
        isDeflating ? ['Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover'] : [],
      ),
  );
  const timeout = new ClientWSTimeout({ wsReceive: 10, wsClose: 0.5 });
  const options = { timeout, maxMsgSize: MAX_MSG_SIZE, compress: isDeflating ? 15 : 0 };
  return await withWebSocket(site.url, options, async (ws) => {
    const messages: string[] = [];
    for (;;) {
      const { type, data } = await ws.receive();
      if (type === WSMsgType.CLOSED) return { messages, end: null };
      if (type === WSMsgType.CLOSE) return { messages, end: data };
      if (type === WSMsgType.ERROR) {
        assert(data instanceof WebSocketError, String(data));
        return { messages, end: -data.code };
      }
      messages.push(`${type} ${Buffer.from(data as string).toString('latin1')}`);
    }
  });
}

describe('Z4: frames at random', () => {
  for (const [name, isDeflating, seeds] of [
    ['plain', false, 300],
    ['with compression', true, 300],
  ] as const) {
    it(`are read as a model reads them, ${name}`, async () => {
      const ends = new Map<number | null, number>();
      for (let seed = 1; seed <= seeds; seed++) {
        const random = makeRandom(seed);
        const bytes = randomBytes(random, isDeflating);
        const expected = model(bytes, isDeflating);
        const found = await play(bytes, random, isDeflating);
        assert.deepEqual(found, expected, `seed ${seed}: ${bytes.toString('base64')}`);
        ends.set(found.end, (ends.get(found.end) ?? 0) + 1);
      }
      // It has been everywhere.
      for (const end of [null, 1000, -1002, -1007, -1009])
        assert((ends.get(end) ?? 0) > 2, `${end}: ${ends.get(end)}`);
    });
  }

  it('end, whatever the bytes are', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = makeRandom(seed);
      const bytes = Buffer.from(Array.from({ length: 1 + random(300) }, () => random(256)));
      for (const isDeflating of [false, true]) {
        assert.deepEqual(await play(bytes, random, isDeflating), model(bytes, isDeflating), `seed ${seed}`);
      }
    }
  });
});
