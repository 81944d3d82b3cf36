/** Random requests, with what could break them in every place: each arrives as one request, or is not sent. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { run, TimeoutError } from 'asyncio-ts';
import { ClientSession, FormData, type RequestOptions, TCPConnector } from 'asyncio-ts/http';
import '../support/leaks.ts';

/** A request as it came, by the letter of RFC 9112. */
interface Parsed {
  method: string;
  target: string;
  headers: [name: string, value: string][];
  body: Buffer;
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~\w-]+) ([!-~]+) HTTP\/1\.1$/;
// oxlint-disable-next-line no-control-regex -- that is what must not be there
const FIELD = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([^\0-\x08\x0a-\x1f\x7f]*?)[ \t]*$/;

class Malformed extends Error {}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Malformed(what);
};

/** The one request in `bytes`; null if it is not complete yet. @throws Malformed for anything else. */
function parse(bytes: Buffer): Parsed | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const [, method = '', target = ''] = REQUEST_LINE.exec(first) ?? [];
  must(method !== '', `request line ${JSON.stringify(first)}`);
  const headers = lines.map((line): [string, string] => {
    const [, name = '', value = ''] = FIELD.exec(line) ?? [];
    must(name !== '', `field ${JSON.stringify(line)}`);
    return [name, value];
  });
  const all = (wanted: string): string[] =>
    headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  must(all('host').length === 1, 'one Host');
  const [lengths, codings] = [all('content-length'), all('transfer-encoding')];
  must(lengths.length + codings.length <= 1, `framing ${lengths} ${codings}`);
  const rest = bytes.subarray(end + 4);
  if (codings.length > 0) {
    must(/(^|, )chunked$/.test(codings[0] as string), `coding ${codings[0]}`);
    return parseChunks({ method, target, headers }, rest);
  }
  must(lengths.length === 0 || /^\d+$/.test(lengths[0] as string), `length ${lengths[0]}`);
  const length = Number(lengths[0] ?? 0);
  must(rest.length <= length, `${rest.length - length} bytes too many`);
  return rest.length < length ? null : { method, target, headers, body: rest };
}

function parseChunks(head: Omit<Parsed, 'body'>, bytes: Buffer): Parsed | null {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return null;
    const size = bytes.toString('latin1', at, end);
    must(/^[\da-f]+$/i.test(size), `chunk size ${JSON.stringify(size)}`);
    const start = end + 2;
    const after = start + Number.parseInt(size, 16);
    if (bytes.length < after + 2) return null;
    must(bytes.toString('latin1', after, after + 2) === '\r\n', 'end of chunk');
    if (after === start) {
      must(bytes.length === after + 2, `${bytes.length - after - 2} bytes too many`);
      return { ...head, body: Buffer.concat(pieces) };
    }
    pieces.push(bytes.subarray(start, after));
    at = after + 2;
  }
}

/** Text with what separates things on the wire. */
const evil = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 12 }) },
  {
    weight: 2,
    arbitrary: fc
      .array(
        fc.constantFrom(
          'a',
          'B',
          '\r',
          '\n',
          '\r\n',
          '\0',
          ' ',
          '\t',
          ':',
          ';',
          ',',
          '"',
          '\\',
          '=',
          '&',
          '%0d%0a',
          'ä',
          '日',
          '\u{1f600}',
          '\ud800',
          '\x7f',
          '\u2028',
          '--',
          'GET / HTTP/1.1',
        ),
        { maxLength: 8 },
      )
      .map((parts) => parts.join('')),
  },
);
const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,10}$/);
const mostly = (usual: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 4, arbitrary: usual }, { weight: 1, arbitrary: evil });

const framing = fc.constantFrom<[string, string]>(
  ['Content-Length', '3'],
  ['content-length', '3'],
  ['Content-Length', '+3'],
  ['Content-Length', '3, 3'],
  ['Content-Length', '-1'],
  ['Transfer-Encoding', 'chunked'],
  ['Transfer-Encoding', 'gzip, chunked'],
  ['transfer-encoding', 'identity'],
  ['Host', 'other.example'],
  ['Connection', 'close'],
  ['Connection', 'upgrade'],
  ['Upgrade', 'h2c'],
  ['Expect', '100-continue'],
  ['Keep-Alive', 'timeout=5'],
  ['TE', 'trailers'],
);
const header = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(mostly(word.map((name) => `X-${name}`)), mostly(word)) },
  { weight: 1, arbitrary: framing },
);

interface Field {
  name: string;
  value: string;
  filename: string | null;
  contentType: string | null;
}

type Body =
  | { kind: 'none' }
  | { kind: 'text'; text: string }
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'pieces'; pieces: Uint8Array[] }
  | { kind: 'form'; fields: [string, string][] }
  | { kind: 'multipart'; fields: Field[] };

const body: fc.Arbitrary<Body> = fc.oneof(
  fc.constant<Body>({ kind: 'none' }),
  evil.map((text): Body => ({ kind: 'text', text })),
  fc.uint8Array({ maxLength: 40 }).map((bytes): Body => ({ kind: 'bytes', bytes })),
  fc
    .array(fc.uint8Array({ maxLength: 20 }), { maxLength: 4 })
    .map((pieces): Body => ({ kind: 'pieces', pieces })),
  fc.array(fc.tuple(evil, evil), { maxLength: 3 }).map((fields): Body => ({ kind: 'form', fields })),
  fc
    .array(
      fc.record({
        name: evil,
        value: evil,
        filename: fc.option(evil),
        contentType: fc.option(mostly(fc.constant('text/plain'))),
      }),
      { maxLength: 3 },
    )
    .map((fields): Body => ({ kind: 'multipart', fields })),
);

const wanted = fc.record({
  method: mostly(fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND')),
  path: mostly(word),
  params: fc.array(fc.tuple(evil, evil), { maxLength: 2 }),
  headers: fc.array(header, { maxLength: 3 }),
  cookies: fc.array(fc.tuple(mostly(word), mostly(word)), { maxLength: 2 }),
  body,
  chunked: fc.option(fc.boolean(), { freq: 3 }),
});

type Wanted = typeof wanted extends fc.Arbitrary<infer T> ? T : never;

async function* iterate(pieces: Uint8Array[]) {
  yield* pieces;
}

function dataOf(given: Body): unknown {
  if (given.kind === 'none') return null;
  if (given.kind === 'text') return given.text;
  if (given.kind === 'bytes') return given.bytes;
  if (given.kind === 'pieces') return iterate(given.pieces);
  if (given.kind === 'form') return new URLSearchParams(given.fields);
  const form = new FormData([], true, null, { defaultToMultipart: true });
  for (const { name, value, filename, contentType } of given.fields)
    form.addField(name, value, { filename, contentType });
  return form;
}

/** A server that keeps what comes, and answers when it is one request. */
async function listen(): Promise<{ url: string; received: () => Buffer; close: () => Promise<unknown> }> {
  let bytes = Buffer.alloc(0);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    let isContinued = false;
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      try {
        if (parse(bytes) !== null) socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
        else if (!isContinued && /\r\nexpect: *100-continue/i.test(bytes.toString('latin1'))) {
          isContinued = true;
          socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        }
      } catch {
        // The test looks at the bytes itself.
        socket.destroy();
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received() {
      const taken = bytes;
      bytes = Buffer.alloc(0);
      return taken;
    },
    close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
}

/** Whether each header that was given came, as often and with these values. */
function checkHeaders(given: readonly [string, string][], came: Parsed['headers']): void {
  for (const [name, value] of given) {
    if (!/^x-/i.test(name)) continue;
    const values = came
      .filter(([other]) => other.toLowerCase() === name.toLowerCase())
      .map(([, text]) => text);
    const expected = Buffer.from(value)
      .toString('latin1')
      .replaceAll(/^[ \t]+|[ \t]+$/g, '');
    assert(values.includes(expected), `${name}: ${JSON.stringify(value)} came as ${JSON.stringify(values)}`);
  }
}

function checkBody(given: Body, { body: came, headers, method }: Parsed): void {
  const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
  if (given.kind === 'none') assert.equal(came.length, 0, `a body of ${method}`);
  if (given.kind === 'text') assert.equal(came.toString(), Buffer.from(given.text).toString());
  if (given.kind === 'bytes') assert(came.equals(given.bytes));
  if (given.kind === 'pieces') {
    // No more than was announced.
    const length = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1];
    assert(came.equals(Buffer.concat(given.pieces).subarray(0, Number(length ?? Number.POSITIVE_INFINITY))));
  }
  if (given.kind === 'form') {
    assert.deepEqual([...new URLSearchParams(came.toString())], [...new URLSearchParams(given.fields)]);
  }
  if (given.kind !== 'multipart') return;
  const boundary = /^multipart\/form-data; boundary="?([^"]+)"?$/.exec(type)?.[1];
  assert(boundary !== undefined, type);
  const parts = `\r\n${came.toString('latin1')}`.split(`\r\n--${boundary}`).slice(1);
  assert.equal(parts.pop(), '--\r\n');
  assert.equal(parts.length, given.fields.length, came.toString('latin1'));
  for (const [index, part] of parts.entries()) {
    const at = part.indexOf('\r\n\r\n');
    const value = part.slice(at + 4);
    assert.equal(Buffer.from(value, 'latin1').toString(), Buffer.from(given.fields[index]!.value).toString());
    const lines = part.slice(2, at).split('\r\n');
    for (const line of lines) assert.match(line, FIELD);
    const names = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
    assert.equal(new Set(names).size, names.length, `headers of a part: ${names}`);
    for (const name of names) {
      assert(
        ['content-disposition', 'content-type', 'content-length', 'content-transfer-encoding'].includes(name),
        name,
      );
    }
  }
}

describe('P78, Z3: what is sent', () => {
  it('is one request, with all that was given, or nothing', { timeout: 120_000 }, async () => {
    const site = await listen();
    let [sent, refused] = [0, 0];
    const attempt = async ({
      method,
      path,
      params,
      headers,
      cookies,
      body: given,
      chunked,
    }: Wanted): Promise<void> => {
      let error: unknown = null;
      await run(async () => {
        await using session = new ClientSession(null, { connector: new TCPConnector({ forceClose: true }) });
        try {
          const options: RequestOptions = {
            params,
            headers,
            data: dataOf(given),
            chunked,
            timeout: 5,
            ...(cookies.length > 0 && { cookies }),
          };
          await session.request(method, site.url + path, options).run((response) => response.read());
        } catch (thrown) {
          error = thrown;
        }
      });
      const bytes = site.received();
      assert(!(error instanceof TimeoutError), 'it hangs');
      if (bytes.length === 0) {
        assert.notEqual(error, null);
        refused++;
        return;
      }
      const parsed = parse(bytes);
      // A body of another length than was announced ends the connection.
      if (error !== null && headers.some(([name]) => name.toLowerCase() === 'content-length')) {
        return;
      }
      assert(parsed !== null, `${error} after ${JSON.stringify(bytes.toString('latin1'))}`);
      assert.equal(error, null);
      sent++;
      assert.equal(parsed.method, method.toUpperCase());
      checkHeaders(headers, parsed.headers);
      checkBody(given, parsed);
      const url = new URL(site.url.slice(0, -1) + parsed.target);
      const asked = [...new URL(site.url + path).searchParams, ...new URLSearchParams(params)];
      assert.deepEqual([...url.searchParams], asked);
    };
    try {
      await fc.assert(fc.asyncProperty(wanted, attempt), { numRuns: 800 });
    } finally {
      await site.close();
    }
    assert(sent > 150, `${sent} were sent`);
    assert(refused > 50, `${refused} were refused`);
  });
});
