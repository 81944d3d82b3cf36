/** The programs as async functions of this library. */
import * as asyncio from 'asyncio-ts';
import { BLOCK, obey, REST_MS, say, timed, watchMemory } from '../../control.ts';

async function echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) {
  for (;;) {
    const data = await reader.read(BLOCK);
    if (data.length === 0) break;
    writer.write(data);
    await writer.drain();
  }
  writer.close();
}

async function send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) {
  const block = Buffer.alloc(BLOCK, 'x');
  const bytes = Number(await reader.readline());
  for (let sent = 0; sent < bytes; sent += BLOCK) {
    writer.write(block);
    await writer.drain();
  }
  writer.close();
}

async function receive(port: number, bytes: number, rest: boolean) {
  const [reader, writer] = await asyncio.openConnection('127.0.0.1', port);
  writer.write(Buffer.from(`${bytes}\n`));
  let got = 0;
  for (;;) {
    const data = await reader.read(BLOCK);
    if (data.length === 0) break;
    got += data.length;
    if (rest) await asyncio.sleep(REST_MS / 1000);
  }
  writer.close();
  if (got !== bytes) throw new Error(`${got} bytes came of ${bytes}`);
}

async function spawn(count: number) {
  for (let i = 0; i < count; i++) {
    const process = await asyncio.createSubprocessExec('true');
    if ((await process.wait()) !== 0) throw new Error('true has failed');
  }
}

async function spawnAll(count: number, atOnce: number) {
  await asyncio.gather(Array.from({ length: atOnce }, () => () => spawn(count / atOnce)));
}

async function serve(handle: asyncio.ClientConnectedCb) {
  const server = await asyncio.startServer(handle, '127.0.0.1', 0);
  say({ port: server.sockets[0]!.getsockname()[1] });
  await server.serveForever();
}

const [what, ...numbers] = process.argv.slice(2);
const [first = 0, second = 0] = numbers.map(Number);
if (what === 'echo' || what === 'send') {
  watchMemory();
  obey();
  await asyncio.run(() => serve(what === 'echo' ? echo : send));
} else if (what === 'receive') {
  watchMemory();
  obey((line) => timed(() => asyncio.run(() => receive(first, Number(line), second === 1))));
  say({});
} else {
  // The start is not measured: one process first.
  await asyncio.run(() => spawn(second));
  say(await timed(() => asyncio.run(() => spawnAll(first, second))));
}
