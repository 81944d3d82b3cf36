/**
 * Requests of every kind in a program whose prototypes somebody has spoiled: what the client looks up in objects must
 * be their own. Prints what came back.
 */
import { createServer } from 'node:http';
import { run } from 'asyncio-ts';
import { ClientSession, FormData, type RequestOptions } from 'asyncio-ts/http';

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request
    .on('data', (chunk: Buffer) => chunks.push(chunk))
    .on('end', () => {
      const { method, url, headers } = request;
      response.setHeader('Set-Cookie', ['__proto__=1', 'constructor=2', 'a=3']);
      response.setHeader('Content-Type', 'application/json');
      response.setHeader('Constructor', 'yes');
      const sent = new Map(Object.entries(headers));
      const body = Buffer.concat(chunks).toString();
      const shown = {
        method,
        url,
        cookie: sent.get('cookie'),
        authorization: sent.get('authorization'),
        own: sent.get('x-own'),
        poison: sent.get('x-poison'),
        odd: sent.get('constructor') ?? null,
        body,
      };
      response.end(JSON.stringify(shown));
    });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as { port: number };

if (process.argv[2] === 'poison') {
  // Not those that Node itself stumbles over, such as `data`, `timeout` and `signal`.
  const poison = {
    headers: { 'x-poison': '1' },
    params: 'poison=1',
    json: 'poison',
    proxy: 'http://127.0.0.1:1/',
    proxyAuth: 'poison',
    allowRedirects: false,
    compress: 'gzip',
    cookies: { poison: '1' },
    'x-poison': '1',
    authorization: 'poison',
  };
  for (const [name, value] of Object.entries(poison)) {
    Reflect.set(Object.prototype, name, value);
  }
}

const lines: unknown[] = [];
await run(async () => {
  await using session = new ClientSession(`http://127.0.0.1:${port}/`, { headers: { 'X-Own': 'own' } });
  const ask = async (path: string, options?: RequestOptions): Promise<void> => {
    await session.post(path, options).run(async (response) => {
      lines.push(await response.json(), response.headers.get('constructor'), [...response.cookies.keys()]);
      lines.push(response.headers.get('__proto__'), response.headers.get('toString'));
    });
  };
  const form = new FormData();
  form.addField('__proto__', 'x');
  await ask('plain');
  await ask('form', { data: form });
  await ask('json', { json: { constructor: 1 } });
  await ask('headers', { headers: new Map([['constructor', 'odd']]), cookies: { constructor: 'c', b: '1' } });
});
server.close();
server.closeAllConnections();
console.log(JSON.stringify(lines));
