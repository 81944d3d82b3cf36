import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import '../support/leaks.ts';
import { linesOf, Program } from './program.ts';

const TRANSCRIPT = [
  'ann comes',
  '  ann reads: * welcome; here: nobody',
  'bob comes',
  '  bob reads: * welcome; here: ann',
  '  ann reads: * bob is here',
  'ann says: Hello, bob!',
  '  bob reads: ann: Hello, bob!',
  'cid comes',
  '  cid reads: * welcome; here: ann, bob',
  '  ann reads: * cid is here',
  '  bob reads: * cid is here',
  'cid says: Is this streams or protocols?',
  '  ann reads: cid: Is this streams or protocols?',
  '  bob reads: cid: Is this streams or protocols?',
  'bob says: You cannot tell from here.',
  '  ann reads: bob: You cannot tell from here.',
  '  cid reads: bob: You cannot tell from here.',
  'cid goes',
  '  ann reads: * cid has left',
  '  bob reads: * cid has left',
  'ann goes',
  '  bob reads: * ann has left',
  'bob goes',
];

/** A connection, and the lines that come. */
class Client {
  readonly socket: Socket;
  #text = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1').setEncoding('utf8');
    this.socket.on('error', () => {});
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\n');
      if (end !== -1) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const [text] = (await once(this.socket, 'data')) as [string];
      this.#text += text;
    }
  }
}

async function serving(name: string, args: readonly string[] = []): Promise<[Program, number]> {
  const program = new Program(name, ['--port', '0', ...args]);
  const [, port] = await program.prints(/127\.0\.0\.1:(\d+)/);
  return [program, Number(port)];
}

describe('example', () => {
  for (const name of ['chat', 'chat-protocol']) {
    it(name, async () => {
      assert.deepEqual(await linesOf(name), TRANSCRIPT);
    });

    it(`${name}: drops who does not read, and ends at Ctrl-C with clients connected`, async () => {
      const [program, port] = await serving(name);
      const deaf = new Client(port);
      deaf.socket.write('deaf\n');
      await deaf.line();
      deaf.socket.pause();
      const ann = new Client(port);
      ann.socket.write('ann\n');
      assert.equal(await ann.line(), '* welcome; here: deaf');
      const line = `${'x'.repeat(60_000)}\n`;
      // The buffers of the system take some megabytes.
      for (let i = 0; i < 400; i++) ann.socket.write(line);
      assert.equal(await ann.line(), '* deaf has left');
      program.interrupt();
      assert.equal((await program.ends()).code, 130);
      deaf.socket.destroy();
      ann.socket.destroy();
    });
  }

  it('proxy', async () => {
    const lines = await linesOf('proxy');
    const [first, up, thanks, second, third, fourth, ...rest] = lines;
    assert.equal(first, 'A client sends, ends its half of the connection, and reads the answer:');
    const told = [up, thanks].map((line) => String(line).replace(/at most \d+ KiB held/, '…'));
    assert.deepEqual(
      new Set(told),
      new Set(['  client: thank you for 500 KiB', '  proxy: 501 KiB up, 1 KiB down, …']),
    );
    assert.equal(second, 'A client who is slow fetches 24576 KiB:');
    const [client, proxy] = [third ?? '', fourth ?? ''].toSorted();
    assert.equal(client, '  client: got 24576 KiB');
    const held = /^ {2}proxy: 1 KiB up, 24576 KiB down, at most (\d+) KiB held$/.exec(proxy ?? '')?.[1];
    // The mark at which drain waits, and one chunk.
    assert(Number(held) > 0 && Number(held) <= 128, proxy);
    assert.deepEqual(rest, [
      'A client hangs up in the middle:',
      '  proxy: the connection broke, both sides are closed',
    ]);
  });

  it('graceful', async () => {
    const lines = (await linesOf('graceful')).map((line) => line.slice(8));
    assert.deepEqual([lines[0], lines[3]], ['server: listening on a free port', 'SIGTERM']);
    assert.deepEqual(lines.slice(1, 3).toSorted(), [
      'ann, quick: done after 0.1',
      'bob, at work: done after 0.1',
    ]);
    assert.deepEqual(lines.slice(4).toSorted(), [
      'ann, quick: the server has closed the connection',
      'bob, at work: done after 0.5',
      'bob, at work: the server has closed the connection',
      'cid, too slow: got no answer',
      'dan, too late: ECONNREFUSED',
      'gone',
      'server: accepts nobody any more, 1 idle',
      'server: time is up, the rest is cut off',
    ]);
  });

  it('graceful: serves, and ends with 130 at Ctrl-C when all is done', async () => {
    const [program, port] = await serving('graceful');
    const client = new Client(port);
    client.socket.write('0\n');
    assert.equal(await client.line(), 'done after 0');
    client.socket.write('0.2\n');
    // It is asked, and hears of the signal afterwards.
    await new Promise((resolve) => setTimeout(resolve, 100));
    program.interrupt();
    assert.equal(await client.line(), 'done after 0.2');
    const { code, stdout } = await program.ends();
    assert.equal(code, 130);
    assert.match(stdout, /0 idle\n.*all requests are done\n$/);
  });
});
