/** What CPython's loops do with raw descriptors, and no loop on Node can. */
import { NotImplementedError } from '../core/exceptions.ts';

const NO_READINESS = 'Node offers no readiness notification for a raw descriptor';
const NO_SOCKETS = 'sockets are not file descriptors with non-blocking calls on Node';

/** The reason, and what comes nearest. */
const reasons = {
  addReader: `${NO_READINESS}: wrap it as a stream and use connectReadPipe()`,
  removeReader: NO_READINESS,
  addWriter: `${NO_READINESS}: use connectWritePipe() and drain()`,
  removeWriter: NO_READINESS,
  sockRecv: `${NO_SOCKETS}: use openConnection() and reader.read(n)`,
  sockRecvInto: `${NO_SOCKETS}: use a BufferedProtocol`,
  sockRecvfrom: `${NO_SOCKETS}: use createDatagramEndpoint()`,
  sockRecvfromInto: `${NO_SOCKETS}: use createDatagramEndpoint()`,
  sockSendall: `${NO_SOCKETS}: use writer.write() and drain()`,
  sockSendto: `${NO_SOCKETS}: use createDatagramEndpoint() and transport.sendto()`,
  sockConnect: `${NO_SOCKETS}: use createConnection()`,
  sockAccept: `${NO_SOCKETS}: use createServer() or startServer()`,
  sockSendfile: `${NO_SOCKETS}: use loop.sendfile(transport, file)`,
};

/** Refuse `loop.<method>()`. */
export function impossible(method: keyof typeof reasons): never {
  throw new NotImplementedError(`${method}(): ${reasons[method]}`);
}
