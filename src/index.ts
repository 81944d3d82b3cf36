/** Python's asyncio on Node. */
export * from './core/index.ts';
export { EventLoop, SelectorEventLoop } from './io/event-loop.ts';
export { BaseProtocol, Protocol, SubprocessProtocol } from './io/protocols.ts';
export type { ConnectionOptions, Server, StreamTlsOptions } from './io/stream-loop.ts';
export {
  type ClientConnectedCb,
  FlowControlMixin,
  openConnection,
  openUnixConnection,
  type Separator,
  type StreamOptions,
  StreamReader,
  StreamReaderIterator,
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
export {
  BaseTransport,
  ReadTransport,
  SubprocessTransport,
  Transport,
  WriteTransport,
} from './io/transports.ts';
