/** Datagrams. Counterpart: parts of `asyncio/base_events.py` and `asyncio/selector_events.py`. */
import type { Socket } from 'node:dgram';
import type { BaseEventLoop } from '../core/base-events.ts';
import { type Context, copyContextOrNull } from '../core/contextvars.ts';
import { methodCoroutine } from '../core/coroutines.ts';
import { isBaseError, NotImplementedError } from '../core/exceptions.ts';
import { repr, typeName } from '../core/format-helpers.ts';
import type { Future } from '../core/futures.ts';
import { logger } from '../core/log.ts';
import { Ring } from '../core/ring.ts';
import { current } from '../core/running.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { type Address, checkReusePort } from './addresses.ts';
import { dgram, dns, net } from './builtins.ts';
import type { NodeEventLoop } from './event-loop.ts';
import { type AddrInfo, getaddrinfo, SOCK_DGRAM } from './names.ts';
import { closed, opened as noteOpened, type OpenResource } from './open-resources.ts';
import type { DatagramProtocol } from './protocols.ts';
import { DatagramTransport, WriteFlow } from './transports.ts';

/** What a datagram counts beside its data, so that empty ones count. CPython's value. */
const HEADER_SIZE = 8;

/** Sends into a closed endpoint after which it is told of. CPython's value. */
const LOG_THRESHOLD_FOR_CONNLOST_WRITES = 5;

/** First size of the ring of what the protocol has yet to hear; a power of two. */
const INBOX_SIZE = 8;

/** Options of `createDatagramEndpoint`. */
export interface DatagramOptions {
  /** 4 or 6; needed without any address. */
  family?: 0 | 4 | 6;
  proto?: number;
  flags?: number;
  /** Let others bind the same port, and share its datagrams. Needs a Node that can: 22.12 or newer. */
  reusePort?: boolean | null;
  /** Let datagrams go to broadcast addresses. The socket is then not connected. */
  allowBroadcast?: boolean | null;
  /** A socket to use, in place of the addresses. The transport closes it. */
  sock?: Socket | null;
}

/** A part of Node's API that not every runtime has. */
type QueuedSocket = Partial<Pick<Socket, 'getSendQueueCount'>>;

/** What the protocol is to hear: one entry of the ready queue each. */
type Event =
  | { readonly kind: 'made'; readonly waiter: Future<void> }
  | { readonly kind: 'received'; readonly data: Buffer; readonly addr: Address }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'resume' }
  | { readonly kind: 'lost' };

/** An address as Python writes it. */
function formatAddress(addr: Address | null): string {
  if (addr === null || typeof addr === 'string') return repr(addr);
  return `(${addr.map((part) => (typeof part === 'string' ? `'${part}'` : part)).join(', ')})`;
}

function isSame(a: Address, b: Address): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

function toAddress({ address, port, family }: { address: string; port: number; family: string }): Address {
  return family === 'IPv6' ? [address, port, 0, 0] : [address, port];
}

/** What `get` gives, or null where the socket has no such address. */
function addressOr(get: () => { address: string; port: number; family: string }): Address | null {
  try {
    return toAddress(get());
  } catch {
    return null;
  }
}

/**
 * A UDP socket, its protocol, and what is on the way between them. It is its own entry of the ready queue, once for
 * each thing that the protocol is to hear.
 *
 * Source: CPython 3.14 `asyncio.selector_events._SelectorDatagramTransport`.
 */
export class UdpTransport extends DatagramTransport {
  /** @internal */ readonly _context: Context | null = copyContextOrNull();
  readonly #loop: NodeEventLoop;
  readonly #opened: Opened;
  readonly #socket: Socket;
  readonly #isConnected: boolean;
  /** The only address to send to. */
  readonly #address: Address | null;
  /** Whether addresses are sent to without a look-up, which goes with sockets that were made here. */
  readonly #sendsAtOnce: boolean;
  readonly #flow: WriteFlow;
  readonly #inbox = new Ring<Event>(INBOX_SIZE);
  #protocol: DatagramProtocol;
  /** Sends that Node has not answered, be it that only the answer is missing. */
  #unanswered = 0;
  #bufferSize = 0;
  #isClosing = false;
  /** The end is on its way to the protocol. */
  #isLost = false;
  /** From 1 on nothing more is sent; counts the attempts. */
  #connLost = 0;

  /** @internal */
  constructor(
    loop: NodeEventLoop,
    opened: Opened,
    protocol: DatagramProtocol,
    remote: Address | null,
    waiter: Future<void>,
  ) {
    const { socket } = opened;
    const peername = addressOr(() => socket.remoteAddress());
    super({ socket, sockname: addressOr(() => socket.address()), peername });
    this.#loop = loop;
    this.#socket = socket;
    this.#protocol = protocol;
    this.#isConnected = peername !== null;
    this.#address = remote;
    this.#sendsAtOnce = opened.isOwn || this.#isConnected;
    this.#flow = new WriteFlow(loop, this);
    this.#opened = opened;
    noteOpened(loop, this);
    this.#tell({ kind: 'made', waiter });
    opened.listen(
      (data, addr) => {
        if (!this.#isClosing) this.#tell({ kind: 'received', data, addr });
      },
      (error) => {
        if (!this.#isClosing) this.#tell({ kind: 'failed', error });
      },
    );
  }

  #tell(event: Event): void {
    if (this.#loop.isClosed()) return;
    this.#inbox.push(event);
    this.#loop._push(this);
  }

  /** @internal */
  _run(): void {
    const event = this.#inbox.shift();
    current.driver = null;
    current.owner = this;
    const protocol = this.#protocol;
    switch (event.kind) {
      case 'made':
        this.#call('connectionMade', () => protocol.connectionMade(this));
        if (!event.waiter.done()) event.waiter.setResult(undefined);
        break;
      case 'received':
        if (this.#isClosing) break;
        this.#call('datagramReceived', () => protocol.datagramReceived(event.data, event.addr));
        break;
      case 'failed':
        this.#call('errorReceived', () => protocol.errorReceived(event.error));
        break;
      case 'resume':
        this.#flow.maybeResume();
        break;
      case 'lost':
        try {
          this.#call('connectionLost', () => protocol.connectionLost(null));
        } finally {
          this._dispose();
        }
    }
  }

  #call(name: keyof DatagramProtocol, call: () => unknown): void {
    const report = (exception: unknown): void =>
      this.#loop.callExceptionHandler({
        message: `Exception in callback ${typeName(this.#protocol)}.${name}()`,
        exception,
        transport: this,
        protocol: this.#protocol,
      });
    try {
      const result = call();
      if (!(result instanceof Promise)) return;
      // An async method goes on in microtasks, which have the loop to themselves.
      this.#loop._needDrain();
      result.then(undefined, report);
    } catch (error) {
      if (isBaseError(error)) throw error;
      report(error);
    }
  }

  override getProtocol(): DatagramProtocol {
    return this.#protocol;
  }

  override setProtocol(protocol: DatagramProtocol): void {
    this.#protocol = protocol;
  }

  override isClosing(): boolean {
    return this.#isClosing;
  }

  /** The marks of the buffer, in bytes; 8 more count for each datagram. @see Transport.setWriteBufferLimits */
  setWriteBufferLimits(high?: number | null, low?: number | null): void {
    this.#flow.setLimits(high, low);
    this.#flow.maybePause();
  }

  /** The marks between which the protocol is paused. */
  getWriteBufferLimits(): [low: number, high: number] {
    return [this.#flow.low, this.#flow.high];
  }

  /** How much waits to be sent: the bytes, and 8 more for each datagram. */
  getWriteBufferSize(): number {
    return this.#bufferSize;
  }

  /**
   * Send one datagram; `data` may be changed afterwards. Errors of the system go to `errorReceived`.
   *
   * @param addr - of an endpoint with a remote address null, or that one. A name is looked up each time.
   * @throws TypeError for what is no bytes or no address; RangeError for another address than the remote one, or a
   *   port that cannot be.
   */
  override sendto(data: Uint8Array, addr: Address | null = null): void {
    if (!(data instanceof Uint8Array)) {
      throw new TypeError(`data argument must be a bytes-like object, not '${typeName(data)}'`);
    }
    if (this.#address !== null && addr !== null && !isSame(addr, this.#address)) {
      throw new RangeError(`Invalid address: must be None or ${formatAddress(this.#address)}`);
    }
    const target = addr ?? this.#address;
    if (!this.#isConnected && !(Array.isArray(target) && target.length >= 2)) {
      throw new TypeError(`sendto(): an address must be [host, port], not ${repr(target)}`);
    }
    if (this.#connLost > 0) {
      if (this.#connLost >= LOG_THRESHOLD_FOR_CONNLOST_WRITES)
        logger.warning('socket.send() raised exception.');
      this.#connLost++;
      return;
    }
    this.#send(Buffer.from(data), target as Exclude<Address, string> | null);
  }

  #send(data: Buffer, target: Exclude<Address, string> | null): void {
    const socket: QueuedSocket = this.#socket;
    const size = data.length + HEADER_SIZE;
    const before = socket.getSendQueueCount?.() ?? 0;
    let isBuffered = false;
    const answered = (error: Error | null): void => this.#answered(error, isBuffered ? size : 0);
    if (this.#isConnected) this.#socket.send(data, answered);
    else this.#socket.send(data, target?.[1] as number, target?.[0] as string, answered);
    this.#unanswered++;
    // Most are sent by now, and only the answer is missing.
    isBuffered =
      (socket.getSendQueueCount?.() ?? 0) > before ||
      !(this.#sendsAtOnce && (this.#isConnected || net().isIP(target?.[0] ?? '') !== 0));
    if (!isBuffered) return;
    this.#bufferSize += size;
    this.#flow.maybePause();
  }

  #answered(error: Error | null, size: number): void {
    this.#unanswered--;
    if (this.#isLost) return;
    this.#bufferSize -= size;
    if (error !== null) this.#tell({ kind: 'failed', error });
    if (this.#flow.isPaused && this.#bufferSize <= this.#flow.low) this.#tell({ kind: 'resume' });
    if (this.#isClosing && this.#unanswered === 0) this.#lose();
  }

  /** Receive nothing more, send what waits, then `connectionLost` and the end of the socket. Again does nothing. */
  override close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#bufferSize === 0) this.#connLost++;
    if (this.#unanswered === 0) this.#lose();
  }

  /** The same at once; what waits is not sent. */
  override abort(): void {
    this.#isClosing = true;
    if (this.#isLost) return;
    this.#bufferSize = 0;
    this.#connLost++;
    this.#lose();
  }

  #lose(): void {
    this.#isLost = true;
    this.#connLost ||= 1;
    this.#tell({ kind: 'lost' });
  }

  /** @internal The loop is over, and so is this. */
  _dispose(): void {
    this.#isClosing = true;
    this.#isLost = true;
    closed(this.#loop, this);
    this.#opened.close();
  }

  override toString(): string {
    const [local, remote] = ['sockname', 'peername'].map((name) =>
      formatAddress(this.getExtraInfo<Address>(name)),
    );
    const state = this.#isClosing ? ' closing' : '';
    return `<UdpTransport${state} sockname=${local} peername=${remote} bufsize=${this.#bufferSize}>`;
  }
}

/** A socket, and what comes in before somebody listens. */
class Opened implements OpenResource {
  readonly socket: Socket;
  /** Whether it was made here. */
  readonly isOwn: boolean;
  #early: [data: Buffer, addr: Address][] = [];
  #onData = (data: Buffer, addr: Address): void => void this.#early.push([data, addr]);
  #onError: (error: Error) => void = () => {};
  readonly #received = (data: Buffer, from: { address: string; port: number; family: string }): void =>
    this.#onData(data, toAddress(from));
  readonly #failed = (error: Error): void => this.#onError(error);

  constructor(socket: Socket, isOwn: boolean) {
    this.socket = socket;
    this.isOwn = isOwn;
    socket.on('message', this.#received);
    socket.on('error', this.#failed);
  }

  /** Wait for what `start` begins, until it calls `done` or the socket has an error. */
  *wait(loop: BaseEventLoop, start: (done: (error?: Error | null) => void) => void): Gen<void> {
    const future = loop.createFuture<void>();
    const done = (error?: Error | null): void => {
      if (future.done()) return;
      if (error) future.setException(error);
      else future.setResult(undefined);
    };
    this.#onError = done;
    noteOpened(loop, this);
    try {
      start(done);
      yield* future;
    } finally {
      closed(loop, this);
    }
    this.#onError = () => {};
  }

  listen(onData: (data: Buffer, addr: Address) => void, onError: (error: Error) => void): void {
    this.#onData = onData;
    this.#onError = onError;
    for (const [data, addr] of this.#early.splice(0)) onData(data, addr);
  }

  /** @internal */
  _dispose(): void {
    this.close();
  }

  close(): void {
    this.socket.off('message', this.#received);
    try {
      this.socket.close();
    } catch {
      // It was closed by somebody else.
    }
  }
}

type Pair = [local: Address | null, remote: Address | null];

/** Addresses are resolved before; what is sent to by name is looked up then. */
function lookup(
  host: string,
  family: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  const found = net().isIP(host);
  if (found !== 0) callback(null, host, found);
  else dns().lookup(host, { family: family as number }, callback);
}

function createSocket(family: number, { reusePort }: DatagramOptions): Socket {
  checkReusePort(reusePort);
  return dgram().createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    lookup,
    ...(reusePort && { reusePort: true }),
  });
}

function* open(
  loop: BaseEventLoop,
  family: number,
  [local, remote]: Pair,
  options: DatagramOptions,
): Gen<Opened> {
  const opened = new Opened(createSocket(family, options), true);
  const { socket } = opened;
  try {
    const [address, port] = (local ?? []) as [string?, number?];
    const place = { port: port ?? 0, exclusive: true, ...(address !== undefined && { address }) };
    yield* opened.wait(loop, (done) => socket.bind(place, done));
    if (options.allowBroadcast) socket.setBroadcast(true);
    else if (remote !== null) {
      yield* opened.wait(loop, (done) => socket.connect(remote[1] as number, remote[0], done));
    }
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** The addresses by family; those families that have all that was asked for. */
function* resolvePairs(loop: BaseEventLoop, given: Pair, options: DatagramOptions): Gen<[number, Pair][]> {
  const { family = 0, proto = 0, flags = 0 } = options;
  if (given[0] === null && given[1] === null) {
    if (family === 0) throw new RangeError('unexpected address family');
    return [[family, [null, null]]];
  }
  const pairs = new Map<number, Pair>();
  for (const [i, addr] of given.entries()) {
    if (addr === null) continue;
    if (typeof addr === 'string') {
      throw new NotImplementedError(
        `Unix datagram sockets do not exist in Node, so there is no endpoint at ${repr(addr)}: use UDP on the ` +
          'loopback address, or a Unix stream socket (createUnixConnection)',
      );
    }
    if (!Array.isArray(addr) || addr.length !== 2) throw new TypeError('2-tuple is expected');
    const [host, port] = addr as [string, number];
    const infos: AddrInfo[] = yield* getaddrinfo(loop, host, port, {
      family,
      type: SOCK_DGRAM,
      proto,
      flags,
    });
    for (const [found, , , , sockaddr] of infos) {
      const pair = pairs.get(found) ?? ([null, null] satisfies Pair);
      pair[i] = sockaddr;
      pairs.set(found, pair);
    }
  }
  const whole = [...pairs].filter(([, pair]) => given.every((addr, i) => addr === null || pair[i] !== null));
  if (whole.length === 0) throw new RangeError('can not get address information');
  return whole;
}

function* openAny(
  loop: BaseEventLoop,
  given: Pair,
  options: DatagramOptions,
): Gen<{ opened: Opened; remote: Address | null }> {
  let first: { error: unknown } | null = null;
  for (const [family, pair] of yield* resolvePairs(loop, given, options)) {
    try {
      return { opened: yield* open(loop, family, pair, options), remote: pair[1] };
    } catch (error) {
      // The next address may do, after an error of the system; not after a cancellation.
      if (typeof (error as NodeJS.ErrnoException | null)?.syscall !== 'string') throw error;
      first ??= { error };
    }
  }
  throw first?.error;
}

/** A socket that was made elsewhere. */
function* adopt(loop: BaseEventLoop, sock: Socket, given: Pair, options: DatagramOptions): Gen<Opened> {
  if (!(sock instanceof dgram().Socket))
    throw new RangeError(`A datagram socket was expected, got ${repr(sock)}`);
  const { family, proto, flags, reusePort, allowBroadcast } = options;
  const [localAddr, remoteAddr] = given;
  const modifiers = { localAddr, remoteAddr, family, proto, flags, reusePort, allowBroadcast };
  const problems = Object.entries(modifiers)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}=${Array.isArray(value) ? formatAddress(value as Address & []) : value}`);
  if (problems.length > 0) {
    throw new RangeError(
      `socket modifier keyword arguments can not be used when sock is specified. (${problems.join(', ')})`,
    );
  }
  const opened = new Opened(sock, false);
  const isBound = addressOr(() => sock.address()) !== null;
  try {
    if (!isBound) yield* opened.wait(loop, (done) => sock.bind(0, done));
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

const create = /* @__PURE__ */ methodCoroutine(
  'EventLoop.createDatagramEndpoint',
  createEndpoint<DatagramProtocol>,
);

/** `loop.createDatagramEndpoint`, which has the documentation. */
export function createDatagramEndpoint<P extends DatagramProtocol>(
  ...args: Parameters<typeof createEndpoint<P>>
): Coroutine<[transport: UdpTransport, protocol: P]> {
  return create(...args) as Coroutine<[UdpTransport, P]>;
}

function* createEndpoint<P extends DatagramProtocol>(
  loop: NodeEventLoop,
  protocolFactory: () => P,
  localAddr: Address | null,
  remoteAddr: Address | null,
  options: DatagramOptions,
): Gen<[transport: UdpTransport, protocol: P]> {
  const given: Pair = [localAddr, remoteAddr];
  const { sock = null } = options;
  const { opened, remote } =
    sock === null
      ? yield* openAny(loop, given, options)
      : { opened: yield* adopt(loop, sock, given, options), remote: null };
  let protocol: P;
  try {
    protocol = protocolFactory();
  } catch (error) {
    opened.close();
    throw error;
  }
  const waiter = loop.createFuture<void>();
  const transport = new UdpTransport(loop, opened, protocol, remote, waiter);
  if (loop.getDebug()) {
    logger.debug(
      `Datagram endpoint localAddr=${formatAddress(localAddr)} remoteAddr=${formatAddress(remoteAddr)} ` +
        `created: (${transport}, ${repr(protocol)})`,
    );
  }
  try {
    yield* waiter;
  } catch (error) {
    transport.close();
    throw error;
  }
  return [transport, protocol];
}
