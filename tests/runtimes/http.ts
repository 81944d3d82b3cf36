/** The HTTP client on any runtime, against a server of that runtime. Ends with an error if something is wrong. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { CancelledError, createTask, gather, type Gen, run, sleep, TimeoutError } from 'asyncio-ts';
import { BasicAuth, ClientSession, CookieJar, FormData } from 'asyncio-ts/http';

const server = createServer((request, response) => {
  const chunks: Uint8Array[] = [];
  request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    if (url === '/never') return;
    if (url === '/moved') {
      response.writeHead(302, { Location: '/here' }).end();
    } else if (url === '/gzip') {
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('x'.repeat(100_000)));
    } else if (url === '/pieces') {
      response.write('one ');
      setTimeout(() => response.end('two'), 20);
    } else {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Set-Cookie': 'seen=1' });
      const body = Buffer.concat(chunks).toString();
      response.end(
        JSON.stringify({
          method,
          url,
          cookie: headers.cookie ?? null,
          auth: headers.authorization ?? null,
          body,
        }),
      );
    }
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as { port: number };

interface Answer {
  method: string;
  url: string;
  cookie: string | null;
  auth: string | null;
  body: string;
}

async function asyncFunctions(session: ClientSession): Promise<void> {
  const ask = async (...args: Parameters<ClientSession['request']>): Promise<Answer> =>
    (await session.request(...args).run((response) => response.json<Answer>())) as Answer;
  const [first, second] = await gather(
    () => ask('GET', 'a', { params: { q: 1 } }),
    () => ask('POST', 'b', { json: { a: 1 } }),
  );
  assert.equal(first.url, '/a?q=1');
  assert.deepEqual([second.method, second.body], ['POST', '{"a":1}']);
  assert.equal((await ask('GET', 'c')).cookie, 'seen=1');
  assert.equal((await ask('GET', 'c', { auth: new BasicAuth('me') })).auth, 'Basic bWU6');
  const form = new FormData();
  form.addField('file', Buffer.from('bytes'), { filename: 'f.txt' });
  assert.match((await ask('POST', 'form', { data: form })).body, /name="file"; filename="f.txt"/);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('piece by ');
    await sleep(0.01);
    yield Buffer.from('piece');
  }
  assert.equal((await ask('PUT', 'stream', { data: body() })).body, 'piece by piece');
  assert.equal((await ask('PUT', 'wait', { data: 'waited', expect100: true })).body, 'waited');
}

function* generators(session: ClientSession): Gen<void> {
  const response = yield* session.get('moved');
  assert.equal(response.history.length, 1);
  assert.equal(((yield* response.json<Answer>()) as Answer).url, '/here');
  const text = yield* session.get('gzip').run((one) => one.text());
  assert.equal(text.length, 100_000);
  const lines = yield* session.get('pieces').run((one) => one.text());
  assert.equal(lines, 'one two');
}

async function ends(session: ClientSession): Promise<void> {
  await assert.rejects(async () => await session.get('never', { timeout: 0.1 }), TimeoutError);
  const task = createTask(session.get('never'));
  await sleep(0.1);
  task.cancel();
  await assert.rejects(async () => await task, CancelledError);
}

await run(async () => {
  await using session = new ClientSession(`http://127.0.0.1:${port}/`, {
    cookieJar: new CookieJar({ unsafe: true }),
  });
  await asyncFunctions(session);
  await createTask(generators(session));
  await ends(session);
});
server.close();
server.closeAllConnections();
console.log('asyncio-ts/http: ok');
