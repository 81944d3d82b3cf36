/** What became of a request, in words that a report can use. */
import {
  ClientConnectionError,
  ClientConnectorCertificateError,
  ClientConnectorDNSError,
  ClientConnectorError,
  ClientError,
  ClientPayloadError,
  type ClientResponse,
  RedirectClientError,
  ServerTimeoutError,
  TooManyRedirects,
} from 'asyncio-ts/http';
import { TimeoutError } from 'asyncio-ts';
import type { Answer, Hop } from './links.ts';
import type { Options } from './options.ts';

/** The answer that a response is, before anybody has read its body. */
export function answerOf(response: ClientResponse, { accepted }: Options): Answer {
  const { status, reason, url, history } = response;
  const isGood = (status >= 200 && status < 300) || accepted.has(status);
  const isLost = status >= 300 && status < 400;
  return {
    status,
    problem: isGood ? null : `${status} ${isLost ? 'without a usable Location' : reason}`.trim(),
    redirects: hopsOf(history),
    url: url.href,
    ids: null,
  };
}

/** The answer that an error is; an error that no server can be blamed for is thrown again. */
export function failureOf(error: unknown, { href }: URL, options: Options): Answer {
  const failure = { status: null, redirects: [], url: href, ids: null };
  if (!(error instanceof TooManyRedirects)) return { ...failure, problem: describe(error, options) };
  const hops = hopsOf(error.history);
  const again = hops.findIndex(({ url }, i) => hops.findIndex((hop) => hop.url === url) < i);
  // Once around is enough; and where the last one leads, nobody has asked.
  const end = again < 0 ? hops.length - 1 : again;
  return {
    ...failure,
    redirects: hops.slice(0, end),
    url: hops[end]?.url ?? href,
    problem: again < 0 ? `more than ${options.maxRedirects} redirects` : 'redirects in a circle',
  };
}

/** Whether a server that failed so at HEAD may do better at GET. */
export function mayHelp(error: unknown): boolean {
  if (error instanceof ClientConnectorError || error instanceof ServerTimeoutError) return false;
  return error instanceof ClientConnectionError;
}

function describe(error: unknown, { timeout }: Options): string {
  if (error instanceof TimeoutError) return `no answer within ${timeout} s`;
  if (error instanceof RedirectClientError) return 'redirects to what is no address of the web';
  if (error instanceof ClientConnectorDNSError) return 'host not found';
  if (error instanceof ClientConnectorCertificateError)
    return `certificate: ${error.certificateError.message}`;
  if (error instanceof ClientConnectorError) return `cannot connect: ${causeOf(error)}`;
  if (error instanceof ClientPayloadError) return 'broken off in the middle';
  if (error instanceof ClientConnectionError) return 'the server hung up';
  // What the client refuses to send, as a name and password in a link beside those of the user.
  if (error instanceof ClientError || error instanceof RangeError) return error.message;
  throw error;
}

const causeOf = ({ osError }: ClientConnectorError): string =>
  (osError as NodeJS.ErrnoException).code ?? osError.message;

const hopsOf = (history: readonly ClientResponse[]): Hop[] =>
  history.map(({ url, status }) => ({ url: url.href, status }));
