import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import { ClientSession } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serve } from './servers.ts';

describe('a response as one of the web', () => {
  it('has status, headers, URL and body', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/moved') response.writeHead(302, { Location: '/here#part' }).end();
        else
          response
            .writeHead(418, "I'm a Teapot", { 'Content-Type': 'application/json', 'X-A': ['1', '2'] })
            .end('{"a":1}');
      });
      await using session = new ClientSession(site.url);
      const response = await session.get('moved');
      const web = response.toWeb();
      assert.ok(web instanceof Response);
      assert.equal(web.status, 418);
      assert.equal(web.ok, false);
      assert.equal(web.statusText, "I'm a Teapot");
      assert.equal(web.url, `${site.url}here`);
      assert.equal(web.redirected, true);
      assert.equal(web.headers.get('x-a'), '1, 2');
      assert.deepEqual(await web.json(), { a: 1 });
      assert.equal(response.closed, true);
      assert.equal(site.connections, 1);
      assert.equal(await session.get('').run((one) => one.toWeb().text()), '{"a":1}');
      assert.equal(site.connections, 1);
    }));

  it('has headers as those of fetch: a character for each byte', () =>
    run(async () => {
      await using site = await serve((_request, response) => {
        response.setHeader('X-Name', Buffer.from('naïve Ж').toString('latin1')).end();
      });
      await using session = new ClientSession(site.url);
      const response = await session.get('');
      assert.equal(response.headers.get('x-name'), 'naïve Ж');
      const expected = (await fetch(site.url, { headers: { connection: 'close' } })).headers.get('x-name');
      assert.equal(response.toWeb().headers.get('x-name'), expected);
    }));

  it('has no body where HTTP knows none', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.writeHead(204).end());
      await using session = new ClientSession(site.url);
      await using response = await session.delete('');
      const web = response.toWeb();
      assert.equal(web.status, 204);
      assert.equal(web.body, null);
      assert.equal(await web.text(), '');
    }));

  it('closes the connection when its body is cancelled', () =>
    run(async () => {
      await using site = await serve((_request, response) => void response.write('half'));
      await using session = new ClientSession(site.url);
      const response = await session.get('');
      const reader = (response.toWeb().body as ReadableStream<Uint8Array>).getReader();
      const { value } = await reader.read();
      assert.equal(Buffer.from(value as Uint8Array).toString(), 'half');
      await reader.cancel();
      await site.drained();
      assert.equal(response.closed, true);
    }));

  it('takes the place of one that was not read', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('x'));
      await using session = new ClientSession(site.url);
      const response = await session.get('');
      await response.read();
      assert.throws(() => response.toWeb(), { name: 'TypeError', message: 'the body was read already' });
    }));
});
