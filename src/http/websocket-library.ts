/**
 * The parts of the package `ws` that WebSockets are made of: it parses and writes frames. No counterpart in aiohttp,
 * whose parser is its own. Loaded by the first `wsConnect`.
 */
import type { Duplex, Writable } from 'node:stream';

/** Called when a frame has gone to the operating system, or has failed to. */
export type Written = (error?: Error | null) => void;

export interface WsSender {
  send(
    data: string | Uint8Array,
    options: {
      readonly binary: boolean;
      readonly compress: boolean;
      readonly fin: true;
      readonly mask: true;
    },
    written: Written,
  ): void;
  ping(data: string | Uint8Array, mask: true, written: Written): void;
  pong(data: string | Uint8Array, mask: true, written: Written): void;
  close(
    code: number | undefined,
    reason: string | Uint8Array | undefined,
    mask: true,
    written: Written,
  ): void;
}

/** Called with what became of a message. */
export type Inflated = (error: Error | null, data?: Buffer) => void;

/** Compresses and decompresses the messages of one WebSocket. */
export interface WsDeflate {
  accept(responses: Record<string, readonly (string | true)[]>[]): void;
  compress(data: Buffer | string, fin: boolean, callback: Inflated): void;
  decompress(data: Buffer, fin: boolean, callback: Inflated): void;
  cleanup(): void;
}

/** By the name of the extension. */
export type WsExtensions = Readonly<Record<string, WsDeflate>>;

export interface WsLibrary {
  readonly Receiver: new (options: {
    extensions: WsExtensions;
    isServer: false;
    maxPayload: number;
    maxFragments: number;
    maxBufferedChunks: number;
    skipUTF8Validation: boolean;
  }) => Writable;
  readonly Sender: new (socket: Duplex, extensions: WsExtensions) => WsSender;
  readonly PerMessageDeflate: new (options: {
    maxPayload: number;
    threshold: number;
    zlibDeflateOptions: { level: number };
    zlibInflateOptions: { maxOutputLength?: number };
  }) => WsDeflate;
}

const PARTS = ['Receiver', 'Sender', 'PerMessageDeflate'] as const;

const isWhole = (found: Partial<WsLibrary>): found is WsLibrary =>
  PARTS.every((part) => typeof found[part] === 'function');

let library: WsLibrary | null = null;

/** The library if it is loaded. */
export const loadedLibrary = (): WsLibrary | null => library;

/** @throws Error where it cannot be had. */
export async function loadLibrary(): Promise<WsLibrary> {
  library ??= await findLibrary();
  return library;
}

async function findLibrary(): Promise<WsLibrary> {
  const found: unknown = await import('ws');
  if (isWhole(found as Partial<WsLibrary>)) return found as WsLibrary;
  return await loadFromFolder();
}

/** Bun has a module of its own in place of `ws`, which lacks these parts; the files of the package are there still. */
async function loadFromFolder(): Promise<WsLibrary> {
  try {
    const [{ createRequire }, path] = await Promise.all([import('node:module'), import('node:path')]);
    const require = createRequire(import.meta.url);
    const folder = path.dirname(require.resolve('ws/package.json'));
    const load = (file: string): unknown => require(path.join(folder, 'lib', file));
    const found = {
      Receiver: load('receiver.js'),
      Sender: load('sender.js'),
      PerMessageDeflate: load('permessage-deflate.js'),
    } as Partial<WsLibrary>;
    if (isWhole(found)) return found;
    throw new TypeError(
      `not in its files: ${PARTS.filter((part) => typeof found[part] !== 'function').join()}`,
    );
  } catch (cause) {
    throw new Error(
      "wsConnect needs Receiver, Sender and PerMessageDeflate of the package 'ws', which this runtime replaces " +
        'by a module of its own without them',
      { cause },
    );
  }
}
