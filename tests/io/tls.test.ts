import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { connect as tlsConnect, createSecureContext, TLSSocket } from 'node:tls';
import {
  type ExceptionContext,
  fromPromise,
  NotImplementedError,
  openConnection,
  run,
  type Server,
  setLogger,
  sleep,
  startServer,
  type TlsContext,
  type Transport,
} from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { cert, key } from '../http/certificate.ts';
import { on, type Steps, thrownBy, turns } from '../support/styles.ts';
import { authority, client as clientCertificate, expired } from './certificates.ts';
import {
  connectRaw,
  descriptors,
  drain,
  from,
  ioTest,
  listenRaw,
  net,
  pair,
  Recorder,
  untilDescriptors,
} from './peers.ts';

const MEGABYTE = 1024 * 1024;
const ssl = { key, cert };
const trust = { ca: cert };
const directory = mkdtempSync(path.join(tmpdir(), 'asyncio-ts-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function portOf(server: Server): number {
  return server.sockets[0]?.getsockname()[1] as number;
}

interface Both {
  server: Server;
  port: number;
  protocols: Recorder[];
}

/** An encrypted server of recorders. */
function* serve(options: object = {}, make = (): Recorder => new Recorder()): Steps<Both> {
  const protocols: Recorder[] = [];
  const factory = (): Recorder => {
    const protocol = make();
    protocols.push(protocol);
    return protocol;
  };
  const server = yield* on(net().createServer(factory, '127.0.0.1', 0, { ssl, ...options }));
  return { server, port: portOf(server), protocols };
}

function* stop({ server, protocols }: Both): Steps<void> {
  server.close();
  server.abortClients();
  yield* on(server.waitClosed());
  for (const protocol of protocols) if (protocol.made.done()) yield* on(protocol.lost);
}

const open = (port: number, options: object = {}) =>
  net().createConnection(() => new Recorder(), '127.0.0.1', port, { ssl: trust, ...options });

/** What `awaitable` throws. */
function* errorFrom(awaitable: PromiseLike<unknown>): Steps<NodeJS.ErrnoException> {
  try {
    yield* on(awaitable);
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error('nothing was thrown');
}

describe('encrypted connections', () => {
  ioTest('both ends: made, data both ways, the end of one is the end of both', function* () {
    const both = yield* serve();
    const [transport, protocol] = yield* on(open(both.port));
    assert.deepEqual(protocol.events, ['made']);
    transport.write(Buffer.from('question'));
    yield* on(sleep(0.01));
    const [served] = both.protocols as [Recorder];
    yield* on(served.got(8));
    served.transport.write(Buffer.alloc(3 * MEGABYTE, 'a'));
    yield* on(protocol.got(3 * MEGABYTE));
    served.transport.close();
    assert.equal(yield* on(protocol.lost), null);
    assert.equal(yield* on(served.lost), null);
    assert.deepEqual(protocol.events, ['made', 'data', 'eof', 'lost']);
    yield* stop(both);
  });

  ioTest('getExtraInfo: the names of TLS', function* () {
    const both = yield* serve();
    const [transport, protocol] = yield* on(open(both.port));
    const cipher = transport.getExtraInfo<unknown[]>('cipher');
    assert.match(String(cipher?.[0]), /^TLS_/);
    assert.equal(cipher?.[1], 'TLSv1.3');
    assert.equal(transport.getExtraInfo<{ subject: { CN: string } }>('peercert')?.subject.CN, 'localhost');
    assert.equal(transport.getExtraInfo('sslcontext'), trust);
    assert.equal(transport.getExtraInfo('compression', 'none'), 'none');
    assert.ok(transport.getExtraInfo('ssl_object') instanceof TLSSocket);
    assert.deepEqual(transport.getExtraInfo('peername'), ['127.0.0.1', both.port]);
    assert.deepEqual(transport.getWriteBufferLimits(), [128 * 1024, 512 * 1024]);
    transport.close();
    yield* on(protocol.lost);
    yield* stop(both);
  });

  ioTest('P43: there is no half-closing, and keeping it open has no effect', function* () {
    const both = yield* serve();
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Recorder({ keepOpen: true }), '127.0.0.1', both.port, { ssl: trust }),
    );
    assert.equal(transport.canWriteEof(), false);
    assert.throws(() => transport.writeEof(), NotImplementedError);
    const warnings: string[] = [];
    const nothing = (): void => {};
    setLogger({ debug: nothing, info: nothing, error: nothing, warning: (text) => void warnings.push(text) });
    try {
      while (both.protocols[0]?.made.done() !== true) yield* on(sleep(0.001));
      both.server.closeClients();
      yield* on(protocol.lost);
      assert.deepEqual(warnings, ['returning true from eofReceived() has no effect when using ssl']);
      for (let i = 0; i < 5; i++) transport.write(Buffer.from('x'));
      assert.equal(warnings[1], 'SSL connection is closed');
    } finally {
      setLogger(null);
    }
    yield* stop(both);
  });

  ioTest('H34, H47: what is written before close arrives, also at a reader that pauses', function* () {
    class Sipper extends Recorder {
      override dataReceived(data: Buffer): void {
        super.dataReceived(data);
        this.transport.pauseReading();
        net().callLater(0.001, () => this.transport.resumeReading());
      }
    }
    const both = yield* serve({}, () => new Sipper());
    const [transport, protocol] = yield* on(open(both.port));
    transport.write(Buffer.alloc(MEGABYTE, 'b'));
    transport.close();
    yield* on(protocol.lost);
    const [served] = both.protocols as [Recorder];
    assert.equal(yield* on(served.lost), null);
    assert.equal(served.data.length, MEGABYTE);
    assert.deepEqual(served.events, ['made', 'data', 'eof', 'lost']);
    yield* stop(both);
  });

  ioTest('P47: a peer that does not read holds a close no longer than sslShutdownTimeout', function* () {
    const both = yield* serve({ sslShutdownTimeout: 0.1 });
    const socket = yield* from(connectRaw(both.port));
    const secured = tlsConnect({ socket, ca: cert });
    secured.on('error', () => {});
    yield* from(once(secured, 'secureConnect'));
    secured.pause();
    socket.pause();
    while (both.protocols[0]?.made.done() !== true) yield* on(sleep(0.001));
    const [served] = both.protocols as [Recorder];
    for (let i = 0; i < 40; i++) served.transport.write(Buffer.alloc(MEGABYTE));
    served.transport.close();
    const error = yield* on(served.lost);
    assert.equal(String(error), 'TimeoutError: SSL shutdown timed out');
    secured.destroy();
    yield* stop(both);
  });

  ioTest('ALPN, a SecureContext, one end that is Node’s', function* () {
    const both = yield* serve({ ssl: { ...ssl, ALPNProtocols: ['proto/2', 'proto/1'] } });
    const [transport, protocol] = yield* on(
      open(both.port, { ssl: { ...trust, ALPNProtocols: ['proto/1'] } }),
    );
    assert.equal(transport.getExtraInfo<TLSSocket>('ssl_object')?.alpnProtocol, 'proto/1');
    transport.close();
    yield* on(protocol.lost);
    yield* stop(both);
    const second = yield* serve({ ssl: createSecureContext(ssl) });
    const [other, recorder] = yield* on(open(second.port, { ssl: createSecureContext(trust) }));
    other.close();
    yield* on(recorder.lost);
    yield* stop(second);
  });

  ioTest('Unix sockets', function* () {
    const file = path.join(directory, 'tls.sock');
    const protocols: Recorder[] = [];
    const factory = (): Recorder => {
      protocols.push(new Recorder());
      return protocols.at(-1) as Recorder;
    };
    const server = yield* on(net().createUnixServer(factory, file, { ssl }));
    const [transport, protocol] = yield* on(
      net().createUnixConnection(() => new Recorder(), file, { ssl: trust, serverHostname: 'localhost' }),
    );
    transport.write(Buffer.from('x'));
    transport.close();
    yield* on(protocol.lost);
    yield* on((protocols[0] as Recorder).lost);
    assert.equal(protocols[0]?.text, 'x');
    server.close();
    yield* on(server.waitClosed());
  });
});

describe('who the peer is', () => {
  ioTest('self-signed, for another name, expired: refused, and nothing is left', function* () {
    const both = yield* serve();
    const before = descriptors();
    assert.equal((yield* errorFrom(open(both.port, { ssl: true }))).code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
    const wrong = yield* errorFrom(open(both.port, { serverHostname: 'example.com' }));
    assert.equal(wrong.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
    const [named, first] = yield* on(open(both.port, { serverHostname: 'localhost' }));
    // An empty name asks for none.
    const [unnamed, second] = yield* on(open(both.port, { serverHostname: '' }));
    for (const transport of [named, unnamed]) transport.close();
    for (const protocol of [first, second]) yield* on(protocol.lost);
    yield* untilDescriptors(before);
    yield* stop(both);
    const old = yield* serve({ ssl: expired });
    const error = yield* errorFrom(open(old.port, { ssl: { ca: expired.cert } }));
    assert.equal(error.code, 'CERT_HAS_EXPIRED');
    yield* stop(old);
  });

  ioTest('client certificates: asked for, they have to be there and valid', function* () {
    const asking = { ssl: { ...ssl, requestCert: true, ca: authority } };
    const both = yield* serve(asking);
    const [transport, protocol] = yield* on(open(both.port, { ssl: { ...trust, ...clientCertificate } }));
    transport.write(Buffer.from('x'));
    while (both.protocols.length === 0) yield* on(sleep(0.001));
    const [served] = both.protocols as [Recorder];
    yield* on(served.got(1));
    const peer = served.transport.getExtraInfo<{ subject: { CN: string } }>('peercert');
    assert.equal(peer?.subject.CN, 'client');
    assert.equal(served.transport.getExtraInfo<TLSSocket>('ssl_object')?.authorized, true);
    transport.close();
    yield* on(protocol.lost);
    for (const given of [{}, expired, ssl]) {
      const before = both.protocols.length;
      const [refused, recorder] = yield* on(open(both.port, { ssl: { ...trust, ...given } }));
      // With TLS 1.3 the client has done its part before it hears of it.
      yield* on(recorder.lost);
      assert.equal(refused.isClosing(), true);
      assert.ok(both.protocols.slice(before).every((each) => !each.made.done()));
    }
    yield* stop(both);
    const lenient = yield* serve({ ssl: { ...asking.ssl, rejectUnauthorized: false } });
    const [allowed, last] = yield* on(open(lenient.port));
    allowed.write(Buffer.from('x'));
    while (lenient.protocols.length === 0) yield* on(sleep(0.001));
    yield* on((lenient.protocols[0] as Recorder).got(1));
    allowed.close();
    yield* on(last.lost);
    yield* stop(lenient);
  });

  ioTest('options that make no context are refused at once', function* () {
    const broken = { key: 'no key', cert };
    assert.match(
      yield* thrownBy(net().createServer(() => new Recorder(), '127.0.0.1', 0, { ssl: broken })),
      /PEM|DECODER|key/i,
    );
    const peer = yield* from(listenRaw());
    const before = descriptors();
    assert.match(yield* thrownBy(open(peer.port, { ssl: broken })), /PEM|DECODER|key/i);
    yield* on(sleep(0.02));
    // The peer's end is not accepted by anybody's reading, and closed below.
    assert.ok(descriptors() <= before + 1);
    yield* from(peer[Symbol.asyncDispose]());
    for (const wrong of [5, 'context', []] as unknown[] as object[])
      assert.match(yield* thrownBy(open(1, { ssl: wrong })), /^TypeError: ssl is expected to be/);
  });
});

describe('handshakes that fail', () => {
  ioTest('P47, H44: a silent peer is given up after sslHandshakeTimeout, by either end', function* () {
    const peer = yield* from(listenRaw());
    const error = yield* errorFrom(open(peer.port, { sslHandshakeTimeout: 0.05 }));
    assert.equal(error.message, 'SSL handshake is taking longer than 0.05 seconds: aborting the connection');
    assert.equal(error.code, 'ECONNABORTED');
    yield* from(peer[Symbol.asyncDispose]());
    const both = yield* serve({ sslHandshakeTimeout: 0.05 });
    const socket = yield* from(connectRaw(both.port));
    assert.equal(yield* from(drain(socket)), '');
    socket.destroy();
    assert.ok(both.protocols.every((each) => !each.made.done()));
    yield* stop(both);
  });

  for (const how of ['ends', 'resets', 'speaks no TLS'] as const) {
    ioTest(`a peer that ${how} in the handshake`, function* () {
      const act = (socket: Socket): void => {
        if (how === 'ends') socket.end();
        else if (how === 'resets') setTimeout(() => socket.resetAndDestroy(), 5);
        else socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      };
      const peer = yield* from(listenRaw(act));
      const error = yield* errorFrom(open(peer.port));
      assert.match(error.code ?? '', how === 'speaks no TLS' ? /^ERR_SSL/ : /^ECONNRESET/);
      yield* from(peer[Symbol.asyncDispose]());
      const contexts: ExceptionContext[] = [];
      net().setExceptionHandler((_loop, context) => void contexts.push(context));
      const both = yield* serve();
      const socket = yield* from(connectRaw(both.port));
      act(socket);
      yield* from(drain(socket));
      socket.destroy();
      yield* on(sleep(0.01));
      assert.deepEqual(contexts, []);
      // It lives on.
      const [transport, protocol] = yield* on(open(both.port));
      transport.close();
      yield* on(protocol.lost);
      yield* stop(both);
    });
  }

  ioTest('P46, H43: cancelled in the handshake: nothing is left', function* (style) {
    const peer = yield* from(listenRaw());
    const before = descriptors();
    const task = style.task(() => on(open(peer.port)));
    yield* on(sleep(0.02));
    task.cancel();
    assert.match(yield* thrownBy(task), /^CancelledError/);
    yield* untilDescriptors(before, peer);
    yield* from(peer[Symbol.asyncDispose]());
  });

  ioTest('P49: a server that closes waits for handshakes, and can abort them', function* () {
    const both = yield* serve();
    const socket = yield* from(connectRaw(both.port));
    yield* on(sleep(0.01));
    both.server.close();
    const closed = fromPromise(both.server.waitClosed().toPromise());
    yield* turns(5);
    both.server.abortClients();
    yield* on(closed);
    yield* from(drain(socket));
    socket.destroy();
  });

  test('a silent peer in virtual time', { timeout: 60_000 }, async () => {
    await run(
      async () => {
        const peer = await listenRaw();
        await assert.rejects(open(peer.port).toPromise(), /longer than 60 seconds/);
        assert.equal(Math.round(net().time()), 60);
        await peer[Symbol.asyncDispose]();
      },
      { loopFactory: () => new VirtualEventLoop() },
    );
  });
});

describe('startTls', () => {
  ioTest('both roles, after plain words that are out before', function* () {
    class Framed extends Recorder {
      upgraded: Promise<Transport> | null = null;
      override dataReceived(data: Buffer): void {
        const room = 12 * MEGABYTE - this.data.length;
        super.dataReceived(this.upgraded === null ? data.subarray(0, room) : data);
        if (this.upgraded !== null || this.data.length < 12 * MEGABYTE) return;
        this.transport.pauseReading();
        if (data.length > room)
          (this.transport as unknown as { _unread(chunk: Buffer): void })._unread(data.subarray(room));
        const upgrade = net().startTls(this.transport, this, ssl, { serverSide: true });
        this.upgraded = net().createTask(upgrade).toPromise();
      }
    }
    const served: Framed[] = [];
    const server = yield* on(
      net().createServer(
        () => {
          served.push(new Framed());
          return served.at(-1) as Framed;
        },
        '127.0.0.1',
        0,
      ),
    );
    const [transport, protocol] = yield* on(
      net().createConnection(() => new Recorder(), '127.0.0.1', portOf(server)),
    );
    while (served.length === 0) yield* on(sleep(0.001));
    const [other] = served as [Framed];
    yield* on(other.made);
    // More than the system takes at once: TLS must not overtake it.
    transport.write(Buffer.alloc(12 * MEGABYTE, 'p'));
    const upgrade = net().createTask(
      net().startTls(transport, protocol, trust, { serverHostname: 'localhost' }),
    );
    yield* on(other.got(12 * MEGABYTE));
    const secured = yield* on(upgrade);
    const upgraded = yield* from(other.upgraded as unknown as Promise<Transport>);
    assert.notEqual(secured, transport);
    assert.ok(secured.getExtraInfo('sslcontext'));
    secured.write(Buffer.from('secret'));
    yield* on(other.got(12 * MEGABYTE + 6));
    assert.ok(other.text.endsWith('secret'));
    assert.equal(other.data.length, 12 * MEGABYTE + 6);
    server.close();
    const closing = fromPromise(server.waitClosed().toPromise());
    upgraded.close();
    yield* on(protocol.lost);
    yield* on(other.lost);
    yield* on(closing);
    assert.deepEqual(
      protocol.events.filter((event) => event === 'made' || event === 'lost'),
      ['made', 'lost'],
    );
  });

  ioTest('P48, H48, F6: streams go on with TLS, also in the segment of the line before it', function* () {
    const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n';
    const served = net().createFuture<string[]>();
    const server = yield* on(
      startServer(
        async (reader, writer) => {
          const first = String(await reader.readline());
          await writer.startTls(ssl);
          served.setResult([first, String(await reader.readexactly(5))]);
          writer.write(Buffer.from('answer'));
          writer.close();
          await writer.waitClosed();
        },
        '127.0.0.1',
        0,
      ),
    );
    const socket = yield* from(connectRaw(portOf(server)));
    socket.cork();
    socket.write(line);
    const secured = tlsConnect({ socket, ca: cert });
    socket.uncork();
    secured.on('error', () => {});
    yield* from(once(secured, 'secureConnect'));
    secured.write('inner');
    assert.deepEqual(yield* on(served), [line, 'inner']);
    const [answer] = (yield* from(once(secured, 'data'))) as [Buffer];
    assert.equal(String(answer), 'answer');
    secured.end();
    server.close();
    yield* on(server.waitClosed());
  });

  ioTest('P48, F6: a first line and the ClientHello in one segment', function* () {
    let upgraded: Promise<Transport> | null = null;
    const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n';
    class Proxied extends Recorder {
      head = '';
      override dataReceived(data: Buffer): void {
        super.dataReceived(data);
        if (upgraded !== null) return;
        assert.ok(this.text.startsWith(line));
        // What came behind the line belongs to TLS.
        const rest = this.data.subarray(line.length);
        this.transport.pauseReading();
        this.data = Buffer.alloc(0);
        (this.transport as unknown as { _unread(chunk: Buffer): void })._unread(rest);
        upgraded = net()
          .createTask(net().startTls(this.transport, this, ssl, { serverSide: true }))
          .toPromise();
      }
    }
    const served: Proxied[] = [];
    const server = yield* on(
      net().createServer(
        () => {
          served.push(new Proxied());
          return served.at(-1) as Proxied;
        },
        '127.0.0.1',
        0,
      ),
    );
    const socket = yield* from(connectRaw(portOf(server)));
    socket.cork();
    socket.write(line);
    const secured = tlsConnect({ socket, ca: cert });
    socket.uncork();
    secured.on('error', () => {});
    yield* from(once(secured, 'secureConnect'));
    yield* from(upgraded as unknown as Promise<Transport>);
    secured.write('inner');
    const [proxied] = served as [Proxied];
    yield* on(proxied.got(5));
    assert.equal(proxied.text, 'inner');
    secured.end();
    yield* on(proxied.lost);
    secured.destroy();
    server.close();
    yield* on(server.waitClosed());
  });

  ioTest('a handshake that fails is the loss of the connection; so is its cancellation', function* (style) {
    const { protocol, transport, socket, peer } = yield* pair();
    socket.write('no TLS');
    const error = yield* errorFrom(net().startTls(transport, protocol, trust, { serverHostname: '' }));
    assert.match(error.code ?? '', /^ERR_SSL/);
    assert.equal(yield* on(protocol.lost), error);
    yield* from(peer[Symbol.asyncDispose]());
    const second = yield* pair();
    const anyName = { serverHostname: '' };
    const task = style.task(() => on(net().startTls(second.transport, second.protocol, trust, anyName)));
    yield* on(sleep(0.01));
    assert.equal(second.transport.isClosing(), false);
    task.cancel();
    assert.match(yield* thrownBy(task), /^CancelledError/);
    assert.equal(yield* on(second.protocol.lost), null);
    assert.equal(second.transport.isClosing(), true);
    yield* from(second.peer[Symbol.asyncDispose]());
    const third = yield* pair();
    const hanging = style.task(() => on(net().startTls(third.transport, third.protocol, trust, anyName)));
    yield* on(sleep(0.01));
    third.transport.abort();
    assert.match(yield* thrownBy(hanging), /closed during the handshake/);
    yield* on(third.protocol.lost);
    yield* from(third.peer[Symbol.asyncDispose]());
  });

  ioTest('what is refused', function* () {
    const both = yield* serve();
    const [secured, recorder] = yield* on(open(both.port));
    const start = (transport: unknown, context: unknown) =>
      net().startTls(transport as Transport, recorder, context as TlsContext, { serverHostname: '' });
    assert.match(yield* thrownBy(start(secured, null)), /^TypeError: sslcontext is expected to be/);
    assert.match(
      yield* thrownBy(start(secured, trust)),
      /^TypeError: transport <SocketTransport .* is not supported by startTls\(\)$/,
    );
    assert.match(yield* thrownBy(start({}, trust)), /is not supported by startTls\(\)$/);
    secured.close();
    yield* on(recorder.lost);
    yield* stop(both);
    const { protocol, transport, peer } = yield* pair();
    transport.close();
    const serverHostname = 'localhost';
    assert.match(
      yield* thrownBy(net().startTls(transport, protocol, trust, { serverHostname })),
      /closed before the handshake/,
    );
    yield* on(protocol.lost);
    yield* from(peer[Symbol.asyncDispose]());
  });
});

describe('whom a client trusts', () => {
  /** The end of the server of a connection that goes on with TLS; what `client` throws. */
  function* upgraded(context: TlsContext, options: object): Steps<string> {
    const server = yield* on(
      startServer(
        async (reader, writer) => {
          await using _ = writer;
          await reader.readline();
          await writer.startTls(ssl).catch(() => {});
        },
        '127.0.0.1',
        0,
      ),
    );
    const [, writer] = yield* on(openConnection('127.0.0.1', portOf(server)));
    writer.write(Buffer.from('go on\n'));
    const text = yield* thrownBy(writer.startTls(context, options));
    writer.close();
    server.close();
    yield* on(server.waitClosed());
    return text;
  }

  ioTest('startTls: a client says for whom the certificate has to be', function* () {
    assert.match(yield* upgraded(trust, {}), /^RangeError: You must set serverHostname/);
    assert.match(yield* upgraded(createSecureContext(trust), {}), /^RangeError: You must set serverHostname/);
    assert.match(yield* upgraded(trust, { serverHostname: 'example.org' }), /does not match certificate/);
    assert.match(yield* upgraded({ ...trust, servername: 'example.org' }, {}), /does not match certificate/);
    for (const options of [{ serverHostname: '' }, { serverHostname: 'localhost' }])
      assert.equal(yield* upgraded(trust, options), 'nothing');
    assert.equal(yield* upgraded({ ...trust, servername: 'localhost' }, {}), 'nothing');
    assert.equal(yield* upgraded({ rejectUnauthorized: false }, {}), 'nothing');
  });

  ioTest('a checkServerIdentity of the caller is asked, with a name and without', function* () {
    const names: string[] = [];
    const checkServerIdentity = (name: string): Error => {
      names.push(name);
      return new Error('another key was expected');
    };
    const pinned = { ...trust, checkServerIdentity };
    for (const options of [{}, { serverHostname: '' }, { serverHostname: 'localhost' }])
      assert.equal(yield* upgraded(pinned, options), 'Error: another key was expected');
    const both = yield* serve();
    for (const options of [{}, { serverHostname: '' }])
      assert.equal(
        (yield* errorFrom(open(both.port, { ssl: pinned, ...options }))).message,
        'another key was expected',
      );
    assert.equal(names.length, 5);
    yield* stop(both);
  });

  ioTest(
    'the servername of the options of TLS goes before the host, serverHostname before both',
    function* () {
      const both = yield* serve();
      const asked = { ssl: { ...trust, servername: 'example.org' } };
      const connect = (options: object) =>
        net().createConnection(() => new Recorder(), 'localhost', both.port, { ...options, family: 4 });
      assert.equal((yield* errorFrom(connect(asked))).code, 'ERR_TLS_CERT_ALTNAME_INVALID');
      const [transport, protocol] = yield* on(connect({ ...asked, serverHostname: 'localhost' }));
      transport.close();
      yield* on(protocol.lost);
      yield* stop(both);
    },
  );

  ioTest('a server without a certificate is a mistake', function* () {
    const text =
      'RangeError: ssl of a server needs a certificate: give { key, cert }, or a tls.SecureContext with them';
    const create = (ssl: TlsContext) => net().createServer(() => new Recorder(), '127.0.0.1', 0, { ssl });
    assert.equal(yield* thrownBy(create({})), text);
    assert.equal(yield* thrownBy(create({ ca: cert })), text);
    const fine = { secureContext: createSecureContext(ssl) };
    for (const context of [fine, fine.secureContext, { SNICallback() {} }])
      (yield* on(create(context))).close();
  });

  ioTest('nothing goes out in the clear while the handshake is under way', function* (style) {
    const { protocol, transport, socket, peer } = yield* pair();
    const task = style.task(() =>
      on(net().startTls(transport, protocol, trust, { serverHostname: 'localhost' })),
    );
    const [hello] = (yield* from(once(socket.resume(), 'data'))) as [Buffer];
    // A record of a handshake.
    assert.equal(hello[0], 22);
    const writes = [
      () => transport.write(Buffer.from('secret')),
      () => transport.writelines([Buffer.from('secret')]),
      () => transport.writeEof(),
    ];
    for (const write of writes)
      assert.throws(write, /^RuntimeError: Cannot write while startTls\(\) is under way: await it first$/);
    task.cancel();
    assert.match(yield* thrownBy(task), /^CancelledError/);
    yield* on(protocol.lost);
    yield* from(peer[Symbol.asyncDispose]());
  });
});
