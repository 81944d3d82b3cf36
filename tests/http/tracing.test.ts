import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CancelledError, createTask, run, RuntimeError, sleep } from 'asyncio-ts';
import { ClientSession, TraceConfig } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { echo, serve } from './servers.ts';

const EVENTS = [
  'onRequestStart',
  'onRequestChunkSent',
  'onRequestHeadersSent',
  'onResponseChunkReceived',
  'onRequestRedirect',
  'onRequestEnd',
  'onRequestException',
  'onConnectionQueuedStart',
  'onConnectionQueuedEnd',
  'onConnectionCreateStart',
  'onConnectionCreateEnd',
  'onConnectionReuseconn',
  'onDnsResolvehostStart',
  'onDnsResolvehostEnd',
  'onDnsCacheHit',
  'onDnsCacheMiss',
] as const;

/** A configuration that writes the names of all events down. */
function listening(log: string[]): TraceConfig {
  const config = new TraceConfig();
  for (const event of EVENTS) config[event].append(() => log.push(event));
  return config;
}

describe('traces', () => {
  it('tell what a session does, in order', () =>
    run(async () => {
      await using site = await serve(echo);
      const log: string[] = [];
      await using session = new ClientSession(site.url, { traceConfigs: [listening(log)] });
      await session.post('', { data: 'text' }).run((response) => response.text());
      assert.deepEqual(log.splice(0), [
        'onRequestStart',
        'onConnectionCreateStart',
        'onConnectionCreateEnd',
        'onRequestHeadersSent',
        'onRequestChunkSent',
        'onRequestEnd',
        'onResponseChunkReceived',
      ]);
      await session.get('').run((response) => response.text());
      assert.deepEqual(log, [
        'onRequestStart',
        'onConnectionReuseconn',
        'onRequestHeadersSent',
        'onRequestEnd',
        'onResponseChunkReceived',
      ]);
    }));

  it('tell of names, redirects, waits and errors', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/end') response.end('x');
        else if (request.url === '/cut') request.socket.destroy();
        else response.writeHead(302, { Location: '/end' }).end();
      });
      const log: string[] = [];
      await using session = new ClientSession(site.url.replace('127.0.0.1', 'localhost'), {
        traceConfigs: [listening(log)],
      });
      await session.get('').run(() => {});
      assert.deepEqual(log.splice(0), [
        'onRequestStart',
        'onConnectionCreateStart',
        'onDnsCacheMiss',
        'onDnsResolvehostStart',
        'onDnsResolvehostEnd',
        'onConnectionCreateEnd',
        'onRequestHeadersSent',
        'onRequestRedirect',
        'onConnectionReuseconn',
        'onRequestHeadersSent',
        'onRequestEnd',
      ]);
      await assert.rejects(async () => await session.post('cut'), { name: 'ServerDisconnectedError' });
      assert.equal(log.at(-1), 'onRequestException');
    }));

  it('give each callback the session, a context of the request, and what happened', () =>
    run(async () => {
      await using site = await serve(echo);
      const seen: unknown[] = [];
      const config = new TraceConfig(({ traceRequestCtx }) => ({ given: traceRequestCtx, steps: 0 }));
      config.onRequestStart.append((session, context, { method, url, headers }) => {
        context.steps++;
        headers.set('X-Traced', 'yes');
        seen.push(session, method, url.search);
      });
      config.onRequestChunkSent.append(async (_session, context, { chunk }) => {
        await sleep(0);
        context.steps++;
        seen.push(Buffer.from(chunk).toString());
      });
      config.onRequestEnd.append(function* (_session, context, { response }) {
        yield* sleep(0);
        seen.push(response.status, context);
      });
      await using session = new ClientSession(site.url, { traceConfigs: [config] });
      const answer = await session
        .put('', { data: 'body', params: { a: 1 }, traceRequestCtx: 'mine' })
        .run((response) => response.text());
      assert.match(answer, /"x-traced":"yes"/);
      assert.deepEqual(seen, [session, 'PUT', '?a=1', 'body', 200, { given: 'mine', steps: 2 }]);
    }));

  it('tell of each piece of a body that is sent in pieces', () =>
    run(async () => {
      await using site = await serve(echo);
      const pieces: string[] = [];
      const config = new TraceConfig();
      config.onRequestChunkSent.append((_session, _context, { chunk }) =>
        pieces.push(Buffer.from(chunk).toString()),
      );
      async function* body(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('one');
        yield Buffer.from('two');
      }
      await using session = new ClientSession(site.url, { traceConfigs: [config] });
      await session.post('', { data: body() }).run((response) => response.text());
      assert.deepEqual(pieces, ['one', 'two']);
    }));

  it('tell of a cancellation, too', () =>
    run(async () => {
      await using site = await serve(() => {});
      const errors: unknown[] = [];
      const config = new TraceConfig();
      config.onRequestException.append((_session, _context, { exception }) => errors.push(exception));
      await using session = new ClientSession(site.url, { traceConfigs: [config] });
      const task = createTask(session.get(''));
      while (site.connections === 0) await sleep(0.001);
      task.cancel();
      await assert.rejects(async () => await task, CancelledError);
      assert.equal(errors.length, 1);
      assert.ok(errors[0] instanceof CancelledError);
    }));

  it('that fail close the response that nobody gets', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/moved') response.writeHead(302, { location: '/' });
        response.write('half');
      });
      for (const event of ['onRequestEnd', 'onRequestRedirect'] as const) {
        const config = new TraceConfig();
        config[event].append(() => {
          throw new RangeError(event);
        });
        await using session = new ClientSession(site.url, { traceConfigs: [config] });
        await assert.rejects(async () => void (await session.get('moved')), { message: event });
        await site.drained();
      }
    }));

  it('take no more callbacks once a session has them', () =>
    run(async () => {
      const config = new TraceConfig();
      await using session = new ClientSession(null, { traceConfigs: [config] });
      assert.deepEqual(session.traceConfigs, [config]);
      assert.throws(
        () => config.onRequestEnd.append(() => {}),
        (error) => {
          return error instanceof RuntimeError && error.message === 'Cannot modify frozen list.';
        },
      );
    }));
});
