/** Python's asyncio on Node. */
import './core/unsupported.ts';

export * from './core/index.ts';
export { isMain } from './host/is-main.ts';
export type {
  Connection,
  ConnectionOptions,
  StartTlsOptions,
  UnixConnectionOptions,
} from './io/connections.ts';
export {
  EventLoop,
  getEventLoop,
  getRunningLoop,
  newEventLoop,
  type NodeEventLoop,
  SelectorEventLoop,
} from './io/event-loop.ts';
export type { Address } from './io/addresses.ts';
export { runCoroutineThreadsafe, wrapFuture } from './concurrent/loop-futures.ts';
export { toThread } from './io/threads.ts';
export type { DatagramOptions, UdpTransport } from './io/datagram.ts';
export type { AddrInfo, AddrInfoOptions } from './io/names.ts';
export {
  BaseProtocol,
  BufferedProtocol,
  DatagramProtocol,
  Protocol,
  SubprocessProtocol,
} from './io/protocols.ts';
export {
  AbstractServer,
  Server,
  type ServeForeverOptions,
  type ServerOptions,
  TransportSocket,
  type UnixServerOptions,
} from './io/server.ts';
export type { TlsContext, TlsOptions } from './io/tls.ts';
export {
  BaseTransport,
  DatagramTransport,
  ReadTransport,
  SubprocessTransport,
  Transport,
  WriteTransport,
} from './io/transports.ts';
export {
  type Separator,
  type StreamOptions,
  StreamReader,
  StreamReaderIterator,
} from './io/stream-reader.ts';
export {
  type ClientConnectedCb,
  FlowControlMixin,
  openConnection,
  openUnixConnection,
  type StreamTlsOptions,
  StreamReaderProtocol,
  StreamWriter,
  startServer,
  startUnixServer,
} from './io/streams.ts';
export {
  createSubprocessExec,
  createSubprocessShell,
  DEVNULL,
  PIPE,
  type ProcessOptions,
  type StdioKind,
  STDOUT,
  type SubprocessOptions,
} from './io/subprocess.ts';
export * as subprocess from './io/subprocess.ts';
