import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Gen, run, sleep, TimeoutError } from 'asyncio-ts';
import {
  type ClientHandlerType,
  type ClientMiddleware,
  type ClientRequest,
  type ClientResponse,
  ClientSession,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { type Echo, echo, serve } from './servers.ts';

async function ask(session: ClientSession, ...args: Parameters<ClientSession['request']>): Promise<Echo> {
  return (await session.request(...args).run((response) => response.json<Echo>())) as Echo;
}

/** A middleware that writes down when it is entered and left. */
function noting(log: string[], name: string): ClientMiddleware['handle'] {
  return async (request, handler) => {
    log.push(`> ${name}`);
    const response = await handler(request);
    log.push(`< ${name} ${response.status}`);
    return response;
  };
}

describe('middlewares', () => {
  it('stand around a request, the first outermost', () =>
    run(async () => {
      await using site = await serve(echo);
      const log: string[] = [];
      await using session = new ClientSession(site.url, {
        middlewares: [noting(log, 'a'), noting(log, 'b')],
      });
      await ask(session, 'GET', '');
      assert.deepEqual(log, ['> a', '> b', '< b 200', '< a 200']);
    }));

  it("are those of the request in place of the session's", () =>
    run(async () => {
      await using site = await serve(echo);
      const log: string[] = [];
      await using session = new ClientSession(site.url, { middlewares: [noting(log, 'session')] });
      await ask(session, 'GET', '', { middlewares: [noting(log, 'request')] });
      await ask(session, 'GET', '', { middlewares: [] });
      assert.deepEqual(log, ['> request', '< request 200']);
    }));

  it('may be generators, async functions, plain ones, or objects', () =>
    run(async () => {
      await using site = await serve(echo);
      class Counting implements ClientMiddleware {
        count = 0;
        handle(request: ClientRequest, handler: ClientHandlerType): PromiseLike<ClientResponse> {
          request.headers.set('X-Count', String(++this.count));
          return handler(request);
        }
      }
      const counting = new Counting();
      await using session = new ClientSession(site.url, {
        middlewares: [
          function* (request: ClientRequest, handler: ClientHandlerType): Gen<ClientResponse> {
            yield* sleep(0);
            request.headers.set('X-Generator', 'yes');
            return yield* handler(request);
          },
          async (request, handler) => {
            await sleep(0);
            request.headers.set('X-Async', 'yes');
            return await handler(request);
          },
          counting,
        ],
      });
      await ask(session, 'GET', '');
      const { headers } = await ask(session, 'GET', '');
      assert.equal(headers['x-generator'], 'yes');
      assert.equal(headers['x-async'], 'yes');
      assert.equal(headers['x-count'], '2');
    }));

  it('may send a request several times, or never', () =>
    run(async () => {
      let asked = 0;
      await using site = await serve((_request, response) =>
        response.writeHead(++asked < 3 ? 503 : 200).end(),
      );
      const again: ClientMiddleware['handle'] = async (request, handler) => {
        for (;;) {
          const response = await handler(request);
          if (response.status !== 503) return response;
          response.release();
        }
      };
      await using session = new ClientSession(site.url, { middlewares: [again] });
      assert.equal(await session.post('', { data: 'x' }).run((response) => response.status), 200);
      assert.equal(asked, 3);
      const refuse = (): never => {
        throw new Error('not this one');
      };
      await assert.rejects(async () => await session.get('', { middlewares: [refuse] }), {
        message: 'not this one',
      });
      assert.equal(asked, 3);
    }));

  it('run again for each redirect', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/end') response.end();
        else response.writeHead(302, { Location: '/end' }).end();
      });
      const paths: string[] = [];
      await using session = new ClientSession(site.url, {
        middlewares: [
          (request, handler) => {
            paths.push(request.url.pathname);
            return handler(request);
          },
        ],
      });
      await session.get('begin').run(() => {});
      assert.deepEqual(paths, ['/begin', '/end']);
    }));

  it('may change the body', () =>
    run(async () => {
      await using site = await serve(echo);
      const bodies: unknown[] = ['longer text', null, { a: '1' }];
      await using session = new ClientSession(site.url, {
        middlewares: [
          async (request, handler) => {
            await request.updateBody(bodies.shift());
            return await handler(request);
          },
        ],
      });
      const text = await ask(session, 'POST', '', { data: 'x' });
      assert.deepEqual([text.body, text.headers['content-length']], ['longer text', '11']);
      const none = await ask(session, 'POST', '', { data: 'x' });
      assert.deepEqual([none.body, none.headers['content-length']], ['', '0']);
      const form = await ask(session, 'POST', '', { data: 'x' });
      assert.deepEqual([form.body, form.headers['content-length']], ['a=1', '3']);
    }));

  it('may make requests of their own', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession(site.url, {
        middlewares: [
          async (request, handler) => {
            const token = await request.session
              .get('token', { middlewares: [] })
              .run(async (response) => (await response.json<Echo>())?.url);
            request.headers.set('Authorization', `Bearer ${token}`);
            return await handler(request);
          },
        ],
      });
      assert.equal((await ask(session, 'GET', 'x')).headers['authorization'], 'Bearer /token');
    }));

  it('are under the limit of the whole request', () =>
    run(async () => {
      await using site = await serve(echo);
      let wasCancelled = false;
      await using session = new ClientSession(site.url, {
        timeout: 0.05,
        middlewares: [
          async (request, handler) => {
            try {
              await sleep(60);
            } catch (error) {
              wasCancelled = true;
              throw error;
            }
            return await handler(request);
          },
        ],
      });
      await assert.rejects(async () => await session.get(''), TimeoutError);
      assert.equal(wasCancelled, true);
      assert.equal(site.connections, 0);
    }));
});
