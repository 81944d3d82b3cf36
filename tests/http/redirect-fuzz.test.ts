/** Secrets on random ways through random webs: no origin may see one that was meant for another. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { run } from 'asyncio-ts';
import {
  BasicAuth,
  CIMultiDict,
  type ClientSession,
  type LooseHeaders,
  type RequestOptions,
  type SessionOptions,
  TooManyRedirects,
} from 'asyncio-ts/http';
import { type Answer, RecordedAnswers, type ServedRequest } from 'asyncio-ts/http/testing';
import '../support/leaks.ts';

const ORIGINS = [
  'http://a.example',
  'https://a.example',
  'http://a.example:8080',
  'http://b.example',
  'https://sub.a.example',
  'http://127.0.0.1:81',
  'http://[::1]',
] as const;

/** A page of the web: it redirects to another one, or is an end. */
interface Page {
  origin: number;
  status: 301 | 302 | 303 | 307 | 308;
  /** The page to go to; itself if it is an end. */
  next: number;
  form: 'absolute' | 'scheme-relative' | 'relative' | 'with credentials' | 'upper case';
  cookie: '' | '; Secure' | '; Path=/' | '; Domain=a.example';
}

const page = (count: number): fc.Arbitrary<Page> =>
  fc.record({
    origin: fc.nat(ORIGINS.length - 1),
    status: fc.constantFrom(301, 302, 303, 307, 308),
    next: fc.nat(count - 1),
    form: fc.constantFrom('absolute', 'scheme-relative', 'relative', 'with credentials', 'upper case'),
    cookie: fc.constantFrom('', '; Secure', '; Path=/', '; Domain=a.example'),
  });

const web = fc.integer({ min: 1, max: 7 }).chain((count) => {
  return fc.array(page(count), { minLength: count, maxLength: count });
});

/** Where the credentials of the request are. */
const credentials = fc.constantFrom('header', 'auth', 'url', 'session auth', 'session header', 'none');
/** Other headers that are nobody else's business; no two of one name. */
const privateHeaders = fc.uniqueArray(
  fc.constantFrom(
    'Cookie',
    'Proxy-Authorization',
    'If-None-Match',
    'If-Match',
    'If-Modified-Since',
    'If-Unmodified-Since',
    'If-Range',
    'Range',
  ),
);
const formOfHeaders = fc.constantFrom('object', 'lists', 'Map', 'pairs', 'Headers', 'CIMultiDict');
const spelling = fc.constantFrom(
  (name: string) => name,
  (name: string) => name.toLowerCase(),
  (name: string) => name.toUpperCase(),
  (name: string) =>
    name.replaceAll(/[a-z]/g, (letter, at: number) => (at % 2 ? letter : letter.toUpperCase())),
);

function makeHeaders(form: string, entries: [string, string][]): LooseHeaders {
  if (form === 'object') return Object.fromEntries(entries);
  if (form === 'lists')
    return Object.fromEntries(
      entries.map(([name, value]) => [name, [value, `${value.replace('a=', 'b=')}-again`]]),
    );
  if (form === 'Map') return new Map(entries);
  if (form === 'Headers') return new Headers(entries);
  if (form === 'CIMultiDict') return new CIMultiDict(entries);
  return entries;
}

interface Journey {
  pages: Page[];
  credentials: string;
  headers: string[];
  form: string;
  spell: (name: string) => string;
  hasCookies: boolean;
  method: string;
}

const journey: fc.Arbitrary<Journey> = fc.record({
  pages: web,
  credentials,
  headers: privateHeaders,
  form: formOfHeaders,
  spell: spelling,
  hasCookies: fc.boolean(),
  method: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD'),
});

function locationOf(pages: readonly Page[], index: number): string | null {
  const { origin, next, form } = pages[index] as Page;
  if (next === index) return null;
  const target = ORIGINS[(pages[next] as Page).origin] as string;
  const path = `/${next}`;
  if (form === 'relative' && target === ORIGINS[origin]) return path;
  if (
    form === 'scheme-relative' &&
    new URL(target).protocol === new URL(ORIGINS[origin] as string).protocol
  ) {
    return `//${new URL(target).host}${path}`;
  }
  if (form === 'with credentials')
    return `${target.replace('://', `://user:canary-location-${index}@`)}${path}`;
  if (form === 'upper case') return `${target.toUpperCase()}${path}`;
  return target + path;
}

function answerOf(pages: readonly Page[], request: ServedRequest): Answer {
  const index = Number(request.url.pathname.slice(1));
  const { status, cookie } = pages[index] as Page;
  const headers = new CIMultiDict({ 'Set-Cookie': `page${index}=canary-page-${index}${cookie}` });
  const location = locationOf(pages, index);
  if (location === null) return { headers };
  headers.set('Location', location);
  return { status, headers };
}

/** All that a server could read of a request, with what is hidden in basic credentials. */
function readable({ method, url, headers, body }: ServedRequest): string {
  const basic = [...headers].map(([, value]) => {
    const encoded = /^Basic (.*)$/.exec(value)?.[1];
    return encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString();
  });
  // Not `String(headers)`, which hides what is private.
  return [method, url.href, ...[...headers].map(String), String(body), ...basic].join('\n');
}

function arrange({ credentials, headers: names, form, spell, hasCookies, method, pages }: Journey): {
  url: string;
  options: RequestOptions;
  session: SessionOptions;
} {
  const authorization: [string, string] = [spell('Authorization'), 'Bearer canary-authorization'];
  const headers = names.map((name): [string, string] => [spell(name), `a=canary-${name.toLowerCase()}`]);
  const auth = new BasicAuth('me', 'canary-auth');
  const url = `${ORIGINS[pages[0]!.origin]}/0`;
  if (credentials === 'header') headers.push(authorization);
  return {
    url: credentials === 'url' ? url.replace('://', '://me:canary-url@') : url,
    options: {
      headers: makeHeaders(form, headers),
      ...(credentials === 'auth' && { auth }),
      ...(hasCookies && { cookies: { mine: 'canary-cookie' } }),
      ...((method === 'POST' || method === 'PUT') && { data: 'body' }),
      allowRedirects: true,
    },
    session: {
      ...(credentials === 'session auth' && { auth }),
      ...(credentials === 'session header' && { headers: [authorization] }),
    },
  };
}

/** Who may see a canary: the origin of the request, that of a redirect with credentials, the host of a cookie. */
function maySee(canary: string, request: ServedRequest, pages: readonly Page[], start: string): boolean {
  const [, kind = '', index = ''] = /^canary-(location|page)-(\d+)/.exec(canary) ?? [];
  if (kind === '') return request.url.origin === start;
  const { origin, next, cookie } = pages[Number(index)] as Page;
  if (kind === 'location')
    return request.url.origin === new URL(ORIGINS[(pages[next] as Page).origin] as string).origin;
  const setter = new URL(ORIGINS[origin] as string);
  if (cookie === '; Secure' && request.url.protocol !== 'https:') return false;
  const isBelow = cookie === '; Domain=a.example' && request.url.hostname.endsWith('.a.example');
  return (
    request.url.hostname === setter.hostname ||
    (isBelow && setter.hostname.endsWith('a.example')) ||
    (cookie === '; Domain=a.example' &&
      request.url.hostname === 'a.example' &&
      setter.hostname.endsWith('.a.example'))
  );
}

async function travel(
  session: ClientSession,
  method: string,
  url: string,
  options: RequestOptions,
): Promise<void> {
  try {
    await session.request(method, url, options).run((response) => response.read());
  } catch (error) {
    // The web may have a circle.
    if (!(error instanceof TooManyRedirects)) throw error;
  }
}

describe('P75, Z6: redirects', () => {
  it('carry no secret to another origin, and lose none on the way within one', {
    timeout: 60_000,
  }, async () => {
    let crossings = 0;
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(journey, async (trip) => {
        const { pages, method } = trip;
        const answers = new RecordedAnswers().on(null, /^/, (request) => answerOf(pages, request));
        const { url, options, session: sessionOptions } = arrange(trip);
        await run(async () => {
          await using session = answers.session(null, sessionOptions);
          await travel(session, method, url, options);
        });
        const start = new URL(url).origin;
        const given = new Set(readable(answers.requests[0]!).match(/canary-[a-z-]+(?=[^a-z-]|$)/g) ?? []);
        let isHome = true;
        for (const request of answers.requests) {
          const text = readable(request);
          isHome &&= request.url.origin === start;
          if (!isHome) crossings++;
          for (const [canary] of text.matchAll(/canary-[a-z-]+\d*/g)) {
            seen.add(canary.replace(/\d+$/, ''));
            assert(maySee(canary, request, pages, start), `${canary} was seen by ${request}`);
          }
          // Credentials that a redirect brings replace those of the caller.
          if (!isHome || text.includes('canary-location')) continue;
          for (const canary of given) {
            const isReplaced = answers.requests.some((each) => readable(each).includes('canary-location'));
            if (!isReplaced) assert(text.includes(canary), `${canary} is missing in ${request}`);
          }
        }
      }),
      { numRuns: 250 },
    );
    assert(crossings > 100, `${crossings} requests to others`);
    // Every kind of secret was sent to somebody: what is looked for can be found.
    assert.deepEqual([...seen].sort(), [
      'canary-auth',
      'canary-authorization',
      'canary-authorization-again',
      'canary-cookie',
      'canary-cookie-again',
      'canary-if-match',
      'canary-if-match-again',
      'canary-if-modified-since',
      'canary-if-modified-since-again',
      'canary-if-none-match',
      'canary-if-none-match-again',
      'canary-if-range',
      'canary-if-range-again',
      'canary-if-unmodified-since',
      'canary-if-unmodified-since-again',
      'canary-location-',
      'canary-page-',
      'canary-proxy-authorization',
      'canary-proxy-authorization-again',
      'canary-range',
      'canary-range-again',
      'canary-url',
    ]);
  });
});
