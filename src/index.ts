/** Python's asyncio on Node. */
export * from './core/index.ts';
export {
  EventLoop,
  getEventLoop,
  getRunningLoop,
  newEventLoop,
  type NodeEventLoop,
  SelectorEventLoop,
} from './io/event-loop.ts';
export type { Address } from './io/addresses.ts';
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
  BaseTransport,
  DatagramTransport,
  ReadTransport,
  SubprocessTransport,
  Transport,
  WriteTransport,
} from './io/transports.ts';
