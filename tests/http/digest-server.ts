/** A server that asks for digest authentication and checks it by RFC 7616, with code of its own. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { bodyOf, serve, type Site } from './servers.ts';

/** What an `Authorization` header says. */
export type Credentials = Record<string, string>;

/** The parameters of an `Authorization: Digest …` header. */
export function readCredentials(header: string): Credentials {
  const fields: Credentials = {};
  for (const [, name = '', quoted, plain] of header.matchAll(/([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))/g)) {
    fields[name] = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
  }
  return fields;
}

const HASHES: Record<string, string> = {
  MD5: 'md5',
  SHA: 'sha1',
  SHA256: 'sha256',
  'SHA-256': 'sha256',
  SHA512: 'sha512',
  'SHA-512': 'sha512',
  'SHA-512-256': 'sha512-256',
};

export interface Exchange {
  readonly method: string;
  readonly body?: string;
}

/** What `response` has to be (RFC 7616, 3.4.1). */
export function expectedResponse(
  fields: Credentials,
  { method, body = '' }: Exchange,
  login: string,
  password: string,
): string {
  const algorithm = (fields['algorithm'] ?? 'MD5').toUpperCase();
  const hash = (text: string): string =>
    createHash(HASHES[algorithm.replace('-SESS', '')] ?? '?')
      .update(text)
      .digest('hex');
  const { realm, nonce, cnonce, nc, qop, uri } = fields;
  let a1 = `${login}:${realm}:${password}`;
  if (algorithm.endsWith('-SESS')) a1 = `${hash(a1)}:${nonce}:${cnonce}`;
  let a2 = `${method}:${uri}`;
  if (qop === 'auth-int') a2 += `:${hash(body)}`;
  const between = qop === undefined ? nonce : `${nonce}:${nc}:${cnonce}:${qop}`;
  return hash(`${hash(a1)}:${between}:${hash(a2)}`);
}

export interface DigestOptions {
  readonly login?: string;
  readonly password?: string;
  /** The `WWW-Authenticate` headers of the refusal of this number, from 1. */
  readonly challenge: (count: number) => string | string[];
  /** More headers of what is let through. */
  readonly headers?: () => Record<string, string>;
  /** Whether the credentials are taken, besides that they are right. */
  readonly isTaken?: (fields: Credentials) => boolean;
}

/** A server that lets those through who know the password. */
export interface DigestSite extends Site {
  /** The `Authorization` headers of all requests that have come, null for none. */
  readonly seen: (string | null)[];
}

export async function serveDigest(options: DigestOptions): Promise<DigestSite> {
  const { login = 'Mufasa', password = 'Circle of Life', challenge, isTaken = () => true } = options;
  const seen: (string | null)[] = [];
  let refusals = 0;
  const isRight = (header: string, request: IncomingMessage, body: string): boolean => {
    const fields = readCredentials(header);
    const exchange = { method: request.method ?? '', body };
    const isForThis = fields['uri'] === request.url && header.startsWith('Digest ');
    return (
      isForThis &&
      fields['response'] === expectedResponse(fields, exchange, login, password) &&
      isTaken(fields)
    );
  };
  const site = await serve((request, response) => {
    const header = request.headers.authorization ?? null;
    seen.push(header);
    void bodyOf(request).then((body) => {
      if (header !== null && isRight(header, request, body)) {
        for (const [name, value] of Object.entries(options.headers?.() ?? {}))
          response.setHeader(name, value);
        response.end(`welcome ${body}`);
        return;
      }
      response.writeHead(401, { 'WWW-Authenticate': challenge(++refusals) }).end('who are you?');
    });
  });
  return Object.assign(site, { seen });
}
