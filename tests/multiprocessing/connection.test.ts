import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EOFError, run, sleep } from 'asyncio-ts';
import { BufferTooShort, connection, Pipe, Process, ProcessError } from 'asyncio-ts/multiprocessing';
import '../support/leaks.ts';
import { leavesNoProcess } from '../support/processes.ts';
import { on, stylesOf } from '../support/styles.ts';
import * as targets from './targets.ts';

describe('Connection', () => {
  leavesNoProcess();

  it('in one process: both ways, order, the end', async () => {
    const [a, b] = Pipe();
    assert.match(String(a), /^<multiprocessing\.connection\.Connection object at 0x\w+>$/);
    assert.deepEqual([await a.poll(), await a.poll(0.001)], [false, false]);
    void b.send('one');
    void b.send({ two: 2 });
    await a.send(3);
    assert.deepEqual(
      [await a.poll(), await a.recv(), await a.recv(), await b.recv()],
      [true, 'one', { two: 2 }, 3],
    );
    void b.send('last');
    const [first, second] = [a.recv(), a.recv()];
    b.close();
    b.close();
    assert.equal(await first, 'last');
    await assert.rejects(second.toPromise(), (e) => e instanceof EOFError && e.message === '');
    assert.deepEqual([await a.poll(), a.closed, b.closed], [true, false, true]);
    await assert.rejects(a.send(1).toPromise(), { code: 'EPIPE' });
    assert.throws(() => b.recv(), { message: 'handle is closed', code: 'EBADF' });
    a.close();
  });

  it('one way', () => {
    const [reader, writer] = Pipe(false);
    assert.deepEqual(
      [reader.readable, reader.writable, writer.readable, writer.writable],
      [true, false, false, true],
    );
    assert.throws(() => reader.send(1), { message: 'connection is read-only' });
    assert.throws(() => writer.recv(), { message: 'connection is write-only' });
    assert.throws(() => writer.poll(), { message: 'connection is write-only' });
    assert.throws(() => reader.fileno(), { name: 'NotImplementedError' });
  });

  it('bytes, and buffers that are too short', async () => {
    const [a, b] = Pipe();
    const bytes = new TextEncoder().encode('hello');
    await b.sendBytes(bytes, 1, 3);
    assert.equal((await a.recvBytes()).toString(), 'ell');
    assert.throws(() => b.sendBytes(bytes, -1), { name: 'RangeError', message: 'offset is negative' });
    assert.throws(() => b.sendBytes(bytes, 6), { message: 'buffer length < offset' });
    assert.throws(() => b.sendBytes(bytes, 0, -1), { message: 'size is negative' });
    assert.throws(() => b.sendBytes(bytes, 3, 3), { message: 'buffer length < offset + size' });
    const target = new Uint8Array(7);
    await b.sendBytes(bytes);
    assert.equal(await a.recvBytesInto(target, 2), 5);
    assert.deepEqual(target, new Uint8Array([0, 0, ...bytes]));
    await b.sendBytes(bytes);
    await assert.rejects(
      a.recvBytesInto(target, 3).toPromise(),
      (e) =>
        e instanceof BufferTooShort &&
        e instanceof ProcessError &&
        Buffer.from(e.args[0]).toString() === 'hello',
    );
    assert.throws(() => a.recvBytes(-1), { message: 'negative maxlength' });
    await b.sendBytes(bytes);
    await assert.rejects(a.recvBytes(4).toPromise(), { message: 'bad message length' });
    assert.throws(() => a.recv(), { message: 'connection is write-only' });
  });

  for (const style of stylesOf()) {
    it(`a cancelled recv takes nothing (${style.name})`, async () => {
      await run(
        style.fn(function* () {
          const [a, b] = Pipe<number>();
          const waiting = style.task(function* () {
            yield* on(a.recv());
          });
          yield* on(sleep(0));
          yield* on(b.send(1));
          yield* on(b.send(2));
          waiting.cancel();
          try {
            yield* on(waiting);
          } catch {}
          assert.equal(yield* on(a.recv()), 1);
          assert.equal(yield* on(a.recv()), 2);
        }),
      );
    });
  }

  it('with a child: what is sent comes back, until this end is closed', async () => {
    const [ours, theirs] = Pipe();
    const child = new Process({ target: targets.echo, args: [theirs] });
    await child.start();
    theirs.close();
    const messages = [1, 'two', [3], new Uint8Array([4])];
    for (const message of messages) void ours.send(message);
    for (const message of messages) assert.deepEqual(await ours.recv(), message);
    ours.close();
    await child.join();
    assert.equal(child.exitcode, 0);
  });

  it('ends when the child is killed that had the other end', async () => {
    const [ours, theirs] = Pipe();
    const child = new Process({ target: targets.echo, args: [theirs] });
    await child.start();
    theirs.close();
    await ours.send(1);
    assert.equal(await ours.recv(), 1);
    const last = ours.recv();
    child.kill();
    await assert.rejects(last.toPromise(), EOFError);
    await child.join();
    await assert.rejects(ours.send(2).toPromise(), { code: 'EPIPE' });
  });

  it('brings bytes from a child as they are', async () => {
    const [reader, writer] = Pipe(false);
    const child = new Process({ target: targets.sendBytes, args: [writer, new Uint8Array([1, 2, 3])] });
    await child.start();
    writer.close();
    assert.deepEqual([...(await reader.recvBytes())], [1, 2, 3]);
    await assert.rejects(reader.recv().toPromise(), EOFError);
    await child.join();
  });

  it('wait gives those that are ready, here and in a child', async () => {
    const pipes = [Pipe(), Pipe()] as const;
    const [[a, b], [c, d]] = pipes;
    assert.deepEqual(await connection.wait([a, c], 0.001), []);
    void b.send(1);
    assert.deepEqual(await connection.wait([c, a]), [a]);
    void d.send(2);
    assert.deepEqual(await connection.wait([c, a]), [c, a]);
    assert.deepEqual([await a.recv(), await c.recv()], [1, 2]);
    const promise = Promise.resolve(3);
    assert.deepEqual(await connection.wait([a, promise]), [promise]);
    const child = new Process({ target: targets.answerReady, args: [b, d] });
    void child.start();
    void c.send('ready');
    assert.deepEqual(await c.recv(), [true, 'ready']);
    await child.join();
    assert.deepEqual([await a.poll(), await c.poll()], [false, false]);
    assert.deepEqual(await connection.wait([child.sentinel]), [child.sentinel]);
  });
});
