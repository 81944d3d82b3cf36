/** Python's asyncio on Node. */
export * from './core/index.ts';
export { EventLoop, SelectorEventLoop } from './io/event-loop.ts';
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
export { Protocol } from './io/protocols.ts';
export { BaseTransport, ReadTransport, Transport, WriteTransport } from './io/transports.ts';
