/** What the connector tells to traces: when, in which order, and what becomes of an error in them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createTask, run, sleep } from 'asyncio-ts';
import {
  type AbstractResolver,
  ClientSession,
  TCPConnector,
  type TCPConnectorOptions,
  TraceConfig,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { ProxyServer } from './proxy-server.ts';
import { echo, serve } from './servers.ts';

const EVENTS = [
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

type Event = (typeof EVENTS)[number];

/** Notes all events of connections, and fails in one of them. */
function noting(log: string[], failing?: { event: Event | null }): TraceConfig {
  const config = new TraceConfig();
  for (const event of EVENTS) {
    config[event].append(async (_session, context, params) => {
      const name = String((context as { traceRequestCtx: unknown }).traceRequestCtx ?? '');
      log.push([name, event.slice(2), ...Object.values(params)].filter(Boolean).join(' '));
      await sleep(0);
      if (failing?.event === event) throw new RangeError(`in ${event}`);
    });
  }
  return config;
}

const localhost = (gate?: Promise<void>): AbstractResolver => ({
  resolve: async (hostname, port = 0) => {
    await gate;
    return [{ hostname, host: '127.0.0.1', port, family: 4, proto: 0, flags: 0 }];
  },
  close: async () => {},
});

const text = (session: ClientSession, url: string, options = {}): Promise<string> =>
  session
    .get(url, options)
    .run((response) => response.text())
    .toPromise();

const namedUrl = (url: string): string => url.replace('127.0.0.1', 'name.test');

describe('traces of a connector', () => {
  it('tell of names, connections and waits where aiohttp does', () =>
    run(async () => {
      const answers: (() => void)[] = [];
      await using site = await serve((_request, response) => void answers.push(() => response.end()));
      const log: string[] = [];
      const connector = new TCPConnector({ resolver: localhost(), limit: 1 });
      await using session = new ClientSession(namedUrl(site.url), { connector, traceConfigs: [noting(log)] });
      const first = createTask(() => text(session, '1', { traceRequestCtx: 1 }));
      while (answers.length === 0) await turn();
      assert.deepEqual(log.splice(0), [
        '1 ConnectionCreateStart',
        '1 DnsCacheMiss name.test',
        '1 DnsResolvehostStart name.test',
        '1 DnsResolvehostEnd name.test',
        '1 ConnectionCreateEnd',
      ]);
      const second = createTask(() => text(session, '2', { traceRequestCtx: 2 }));
      for (let i = 0; i < 5; i++) await sleep(0);
      assert.deepEqual(log.splice(0), ['2 ConnectionQueuedStart']);
      answers.shift()?.();
      await first;
      while (answers.length === 0) await turn();
      assert.deepEqual(log.splice(0), ['2 ConnectionQueuedEnd', '2 ConnectionReuseconn']);
      answers.shift()?.();
      await second;
    }));

  it('tell of a known name, and of one that is being looked up for another', () =>
    run(async () => {
      await using site = await serve(echo);
      const log: string[] = [];
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      const connector = new TCPConnector({ resolver: localhost(gate), forceClose: true });
      await using session = new ClientSession(namedUrl(site.url), { connector, traceConfigs: [noting(log)] });
      const tasks = [1, 2].map((i) => createTask(() => text(session, 'x', { traceRequestCtx: i })));
      while (log.length < 5) await turn();
      open();
      for (const task of tasks) await task;
      const of = (i: number): string[] =>
        log.filter((line) => line.startsWith(`${i} `)).map((line) => line.slice(2));
      assert.deepEqual(of(1), [
        'ConnectionCreateStart',
        'DnsCacheMiss name.test',
        'DnsResolvehostStart name.test',
        'DnsResolvehostEnd name.test',
        'ConnectionCreateEnd',
      ]);
      const hit = ['ConnectionCreateStart', 'DnsCacheHit name.test', 'ConnectionCreateEnd'];
      assert.deepEqual(of(2), hit);
      await text(session, 'x', { traceRequestCtx: 3 });
      assert.deepEqual(of(3), hit);
    }));

  it('tell of no cache where there is none, and of no name for an address or a proxy', () =>
    run(async () => {
      await using site = await serve(echo);
      await using proxy = await ProxyServer.open({ port: Number(new URL(site.url).port) });
      const log: string[] = [];
      const traces = async (url: string, options: TCPConnectorOptions, more = {}): Promise<string[]> => {
        const connector = new TCPConnector({ resolver: localhost(), ...options });
        await using session = new ClientSession(null, { connector, traceConfigs: [noting(log)] });
        await text(session, url, more);
        return log.splice(0);
      };
      assert.deepEqual(await traces(namedUrl(site.url), { useDnsCache: false }), [
        'ConnectionCreateStart',
        'DnsResolvehostStart name.test',
        'DnsResolvehostEnd name.test',
        'ConnectionCreateEnd',
      ]);
      const nameless = ['ConnectionCreateStart', 'ConnectionCreateEnd'];
      assert.deepEqual(await traces(site.url, {}), nameless);
      assert.deepEqual(await traces('http://x.test/', {}, { proxy: namedUrl(proxy.url()) }), nameless);
    }));

  for (const event of EVENTS) {
    it(`lose neither place nor socket by an error in ${event}`, () =>
      run(async () => {
        await using site = await serve(echo);
        const failing: { event: Event | null } = { event };
        const connector = new TCPConnector({
          resolver: localhost(),
          limit: 1,
          forceClose: event !== 'onConnectionReuseconn',
          useDnsCache: event.includes('Cache'),
        });
        const url = namedUrl(site.url);
        await using plain = new ClientSession(url, { connector, connectorOwner: false });
        await using session = new ClientSession(url, { connector, traceConfigs: [noting([], failing)] });
        if (event === 'onDnsCacheHit' || event === 'onConnectionReuseconn') await text(plain, 'x');
        for (let i = 0; i < 3; i++) {
          // Where it takes a wait, somebody else has the place.
          const other = event.includes('Queued') ? createTask(() => text(plain, 'x')) : null;
          await sleep(0);
          await assert.rejects(async () => await session.get('x'), { message: `in ${event}` });
          await other;
          if (event === 'onConnectionReuseconn') await text(plain, 'x');
        }
        failing.event = null;
        assert.match(await text(session, 'x'), /GET/);
        assert.match(await text(plain, 'x'), /GET/);
      }));
  }
});
