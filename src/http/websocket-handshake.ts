/** How a WebSocket is asked for, and what a server has to answer (RFC 6455, 4.1). In aiohttp in `aiohttp/client.py`. */
import { createHash, randomBytes } from 'node:crypto';
import type { ClientResponse } from './client-response.ts';
import { WSServerHandshakeError } from './exceptions.ts';
import { CIMultiDict, type LooseHeaders } from './multidict.ts';
import { type DeflateParams, deflateOffer, parseDeflate, WSHandshakeError } from './websocket-deflate.ts';

const WS_KEY = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What is asked for. */
export interface WebSocketOffer {
  readonly key: string;
  readonly headers: CIMultiDict;
  readonly protocols: readonly string[];
  readonly compress: number;
}

export function makeOffer(
  given: LooseHeaders | null | undefined,
  protocols: readonly string[],
  origin: string | null,
  compress: number,
): WebSocketOffer {
  const headers = new CIMultiDict(given);
  const key = randomBytes(16).toString('base64');
  if (!headers.has('Upgrade')) headers.set('Upgrade', 'websocket');
  if (!headers.has('Connection')) headers.set('Connection', 'Upgrade');
  if (!headers.has('Sec-WebSocket-Version')) headers.set('Sec-WebSocket-Version', '13');
  headers.set('Sec-WebSocket-Key', key);
  if (protocols.length > 0) headers.set('Sec-WebSocket-Protocol', protocols.join(','));
  if (origin !== null) headers.set('Origin', origin);
  if (compress !== 0) headers.set('Sec-WebSocket-Extensions', deflateOffer(compress));
  return { key, headers, protocols, compress };
}

/** What the server has agreed to. */
export interface WebSocketAgreement {
  readonly protocol: string | null;
  readonly deflate: DeflateParams | null;
}

/** @throws WSServerHandshakeError for an answer that is none. */
export function checkAnswer(response: ClientResponse, offer: WebSocketOffer): WebSocketAgreement {
  const { headers } = response;
  const problem = findProblem(response, offer);
  if (problem !== null) throw handshakeError(response, problem);
  const extensions = headers.getall('Sec-WebSocket-Extensions').join(',');
  try {
    return {
      protocol: chooseProtocol(headers.get('Sec-WebSocket-Protocol') ?? '', offer.protocols),
      deflate: offer.compress === 0 ? null : parseDeflate(extensions),
    };
  } catch (error) {
    if (!(error instanceof WSHandshakeError)) throw error;
    throw handshakeError(response, error.message, error);
  }
}

function findProblem({ status, headers }: ClientResponse, { key }: WebSocketOffer): string | null {
  if (status !== 101) return 'Invalid response status';
  if (headers.get('Upgrade')?.toLowerCase() !== 'websocket') return 'Invalid upgrade header';
  const tokens = (headers.get('Connection') ?? '').toLowerCase().split(',');
  if (!tokens.some((token) => token.trim() === 'upgrade')) return 'Invalid connection header';
  const expected = createHash('sha1')
    .update(key + WS_KEY)
    .digest('base64');
  return headers.get('Sec-WebSocket-Accept') === expected ? null : 'Invalid challenge response';
}

const chooseProtocol = (answer: string, offered: readonly string[]): string | null =>
  answer
    .split(',')
    .map((name) => name.trim())
    .find((name) => offered.includes(name)) ?? null;

export function handshakeError(
  { requestInfo, history, status, headers }: ClientResponse,
  message: string,
  cause?: unknown,
): WSServerHandshakeError {
  return new WSServerHandshakeError(requestInfo, history, { message, status, headers, cause });
}
