/**
 * The methods of loops that take sockets, pipes, processes and signals, for loops that have none. Apart from the others,
 * so that a bundler leaves their names out of a small program. Counterpart: `AbstractEventLoop` of `asyncio/events.py`.
 */
import { AbstractEventLoop, refuse } from './events.ts';

refuse(
  AbstractEventLoop,
  'getaddrinfo getnameinfo createConnection createServer createUnixConnection createUnixServer ' +
    'createDatagramEndpoint connectAcceptedSocket startTls sendfile connectReadPipe connectWritePipe ' +
    'subprocessExec subprocessShell addSignalHandler removeSignalHandler addReader removeReader addWriter ' +
    'removeWriter sockRecv sockRecvInto sockRecvfrom sockRecvfromInto sockSendall sockSendto sockConnect ' +
    'sockAccept sockSendfile',
  (name) => `${name}(): this event loop has no sockets, pipes, processes and signals; the one on Node does`,
);
