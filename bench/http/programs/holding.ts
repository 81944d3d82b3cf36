/** A server that reads requests and answers none. Asked for a number, it says when so many have come. */
import { type AddressInfo, createServer } from 'node:net';
import { obey, say } from '../../control.ts';

let requests = 0;
let wake = (): void => {};

const server = createServer((socket) => {
  socket.on('error', () => {});
  // A request is so small that it comes in one piece, and nothing follows it.
  socket.once('data', () => {
    requests++;
    wake();
    socket.resume();
  });
});

obey(async (line) => {
  while (requests < Number(line)) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  return {};
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
});
