/** A WebSocket on any runtime, with a server that is made of bytes. Ends with an error if something is wrong. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { createTask, run, sleep } from 'asyncio-ts';
import { ClientSession, WSMsgType } from 'asyncio-ts/http';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Turn the client's short frames back: unmasked, as they are. */
function turnBack(bytes: Buffer): Buffer {
  const answer: Buffer[] = [];
  for (let at = 0; at + 6 <= bytes.length; ) {
    const length = (bytes[at + 1] as number) & 0x7f;
    assert(length < 126 && (bytes[at + 1] as number) >= 0x80);
    const mask = bytes.subarray(at + 2, at + 6);
    const payload = bytes.subarray(at + 6, at + 6 + length).map((byte, i) => byte ^ (mask[i % 4] as number));
    const first = bytes[at] as number;
    // A ping comes back as a pong; with it comes one of the server's own.
    if ((first & 15) === WSMsgType.PING) answer.push(Buffer.from([0x89, 0]));
    answer.push(
      Buffer.from([(first & 15) === WSMsgType.PING ? first + 1 : first, length]),
      Buffer.from(payload),
    );
    at += 6 + length;
  }
  return Buffer.concat(answer);
}

const server = createServer((socket) => {
  let isOpen = false;
  let head = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    if (isOpen) {
      socket.write(turnBack(chunk));
      return;
    }
    head += chunk.toString('latin1');
    if (!head.includes('\r\n\r\n')) return;
    isOpen = true;
    const key = /^sec-websocket-key: (.*)$/im.exec(head)?.[1]?.trim() ?? '';
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    const deflate = head.includes('permessage-deflate')
      ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n'
      : '';
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n${deflate}\r\n`,
    );
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as { port: number };

await run(async () => {
  await using session = new ClientSession(`http://127.0.0.1:${port}/`);
  for (const compress of [0, 15]) {
    await session.wsConnect('', { compress, heartbeat: 5 }).run(async (ws) => {
      assert.equal(ws.compress, compress);
      await ws.sendStr('Grüße');
      assert.equal(await ws.receiveStr(), 'Grüße');
      await ws.ping('x');
      await ws.sendBytes(Buffer.from([1, 2]));
      assert.deepEqual([...(await ws.receiveBytes())], [1, 2]);
      await ws.sendJson({ a: 1 });
      assert.deepEqual(await ws.receiveJson(), { a: 1 });
      const receiving = createTask(ws.receive());
      await sleep(0.05);
      assert.equal(await ws.close({ code: 4000 }), true);
      assert.equal((await receiving).type, WSMsgType.CLOSING);
      assert.deepEqual([ws.closed, ws.closeCode], [true, 4000]);
    });
  }
});
server.close();
console.log('WebSockets: ok');
