/** The programs in plain Node: sockets with listeners, `child_process`. */
import { spawn as spawnProcess } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { BLOCK, obey, REST_MS, say, timed, watchMemory } from '../../control.ts';

function echo(socket: Socket): void {
  socket.on('data', (data) => socket.write(data));
}

function send(socket: Socket): void {
  const block = Buffer.alloc(BLOCK, 'x');
  socket.once('data', (data) => {
    const bytes = Number(data.toString());
    let sent = 0;
    const go = (): void => {
      while (sent < bytes) {
        sent += BLOCK;
        if (!socket.write(block)) return void socket.once('drain', go);
      }
      socket.end();
    };
    go();
  });
}

function receive(port: number, bytes: number, rest: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0;
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => socket.write(`${bytes}\n`));
    socket.on('data', (data) => {
      got += data.length;
      if (!rest) return;
      socket.pause();
      setTimeout(() => socket.resume(), REST_MS);
    });
    socket.on('error', reject);
    socket.on('close', () =>
      got === bytes ? resolve() : reject(new Error(`${got} bytes came of ${bytes}`)),
    );
  });
}

function spawnOne(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawnProcess('true', [], { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error('true has failed'))));
  });
}

async function spawn(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await spawnOne();
}

async function spawnAll(count: number, atOnce: number): Promise<void> {
  await Promise.all(Array.from({ length: atOnce }, () => spawn(count / atOnce)));
}

const [what, ...numbers] = process.argv.slice(2);
const [first = 0, second = 0] = numbers.map(Number);
if (what === 'echo' || what === 'send') {
  watchMemory();
  obey();
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    (what === 'echo' ? echo : send)(socket);
  });
  server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }));
} else if (what === 'receive') {
  watchMemory();
  obey((line) => timed(() => receive(first, Number(line), second === 1)));
  say({});
} else {
  await spawn(second);
  say(await timed(() => spawnAll(first, second)));
}
