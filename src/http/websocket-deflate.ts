/** Compression of messages, `permessage-deflate` (RFC 7692). Counterpart: `aiohttp/_websocket/helpers.py`. */
import { constants } from 'node:zlib';
import { doSmallInPlace } from './websocket-inplace.ts';
import type { WsDeflate, WsLibrary } from './websocket-library.ts';

export const DEFLATE = 'permessage-deflate';

/** What is asked of the server: windows of at most so many bits. */
export function deflateOffer(windowBits: number): string {
  if (!Number.isInteger(windowBits) || windowBits < 9 || windowBits > 15) {
    throw new RangeError('Compress wbits must between 9 and 15, zlib does not support wbits=8');
  }
  return `${DEFLATE}; client_max_window_bits${windowBits < 15 ? `; server_max_window_bits=${windowBits}` : ''}`;
}

/** What client and server have agreed on. */
export interface DeflateParams {
  readonly clientWindowBits: number;
  readonly clientNotakeover: boolean;
  readonly serverWindowBits: number;
  readonly serverNotakeover: boolean;
}

/** An answer that cannot be accepted. */
export class WSHandshakeError extends Error {}

/**
 * What a server's `Sec-WebSocket-Extensions` says about compression; null without it. Extensions of other names are
 * passed over: nobody asked for them, and a frame that makes use of one is refused.
 */
export function parseDeflate(header: string): DeflateParams | null {
  for (const extension of header.split(',')) {
    const [name, ...params] = extension.split(';').map((part) => part.trim());
    if (name === DEFLATE) return parseParams(params);
  }
  return null;
}

function parseParams(params: readonly string[]): DeflateParams {
  const values = new Map<string, string | null>();
  for (const param of params) {
    const [, name = '', quoted, plain] = /^([a-z_]+)(?:\s*=\s*(?:"(\d+)"|(\d+)))?$/.exec(param) ?? [];
    const value = quoted ?? plain ?? null;
    if (!isParam(name, value) || values.has(name)) {
      throw new WSHandshakeError(`Extension for deflate not supported; ${params.join('; ')}`);
    }
    values.set(name, value);
  }
  return {
    // zlib has no window of 8 bits for compressing.
    clientWindowBits: windowBits(values.get('client_max_window_bits'), 9),
    clientNotakeover: values.has('client_no_context_takeover'),
    serverWindowBits: windowBits(values.get('server_max_window_bits'), 8),
    serverNotakeover: values.has('server_no_context_takeover'),
  };
}

function isParam(name: string, value: string | null): boolean {
  if (name.endsWith('_no_context_takeover')) return /^(client|server)_no/.test(name) && value === null;
  return name === 'client_max_window_bits' || (name === 'server_max_window_bits' && value !== null);
}

function windowBits(value: string | null | undefined, least: number): number {
  if (value === null || value === undefined) return 15;
  const bits = Number(value);
  if (bits < least || bits > 15 || value.startsWith('0')) throw new WSHandshakeError('Invalid window size');
  return bits;
}

/** Compression as agreed. A message that becomes larger than `maxPayload` bytes is an error; 0 for no limit. */
export function createDeflate(library: WsLibrary, params: DeflateParams, maxPayload: number): WsDeflate {
  const deflate = new library.PerMessageDeflate({
    maxPayload,
    threshold: 0,
    // As aiohttp: a WebSocket has to be quick.
    zlibDeflateOptions: { level: constants.Z_BEST_SPEED },
    // For what is done in place; `ws` counts by itself.
    zlibInflateOptions: maxPayload > 0 ? { maxOutputLength: maxPayload } : {},
  });
  const accepted: Record<string, readonly (string | true)[]> = {
    client_max_window_bits: [String(params.clientWindowBits)],
    server_max_window_bits: [String(params.serverWindowBits)],
  };
  if (params.clientNotakeover) accepted['client_no_context_takeover'] = [true];
  if (params.serverNotakeover) accepted['server_no_context_takeover'] = [true];
  deflate.accept([accepted]);
  doSmallInPlace(deflate, { sent: params.clientNotakeover, received: params.serverNotakeover });
  return deflate;
}
