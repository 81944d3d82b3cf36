/** The load of all servers, in plain `node:net`, so that it costs the same whatever is measured. One command a line. */
import { connect, type Socket } from 'node:net';
import { obey, say, timed } from '../control.ts';

const SIZE = 1024;
const MESSAGE = Buffer.alloc(SIZE, 'x');

const port = Number(process.argv[2]);
let sockets: Socket[] = [];

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

async function openAll(count: number): Promise<void> {
  sockets = await Promise.all(Array.from({ length: count }, open));
}

/** Send a message and wait for all of it, again and again. */
function exchange(socket: Socket, messages: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let got = 0;
    const onData = (data: Buffer): void => {
      got += data.length;
      if (got < sent * SIZE) return;
      if (sent === messages) {
        socket.off('data', onData).off('close', onClose);
        resolve();
        return;
      }
      sent++;
      socket.write(MESSAGE);
    };
    const onClose = (): void => reject(new Error('the server has closed the connection'));
    socket.on('data', onData);
    socket.on('close', onClose);
    sent = 1;
    socket.write(MESSAGE);
  });
}

function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('close', () => resolve());
    socket.end();
  });
}

async function closeAll(): Promise<void> {
  await Promise.all(sockets.map(close));
  sockets = [];
}

async function batches(count: number, size: number): Promise<void> {
  for (let done = 0; done < count; done += size) {
    await openAll(size);
    await Promise.all(sockets.map((socket) => exchange(socket, 1)));
    await closeAll();
  }
}

const COMMANDS: Readonly<Record<string, (first: number, second: number) => Promise<unknown>>> = {
  open: openAll,
  exchange: (messages) => Promise.all(sockets.map((socket) => exchange(socket, messages / sockets.length))),
  close: closeAll,
  batches,
};

obey((line) => {
  const [name = '', first = 0, second = 0] = line.split(' ');
  return timed(() => COMMANDS[name]!(Number(first), Number(second)));
});
say({});
