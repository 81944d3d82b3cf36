/**
 * One pipe for two descriptors of a child. No counterpart in CPython, which gives the child one descriptor twice; Node
 * makes a pipe for each, and then nobody knows any more what was written first.
 */
import type { Server, Socket } from 'node:net';
import { fs, net, os } from './builtins.ts';

/** Both ends: what we read from, and what the child writes to. */
export interface SharedPipe {
  readonly ours: Socket;
  readonly theirs: Socket;
}

/** Nobody wants it. */
export function closeSharedPipe({ ours, theirs }: SharedPipe): void {
  ours.destroy();
  theirs.destroy();
}

/** A connection to ourselves, in a place where nobody else can come in. */
export function openSharedPipe(): Promise<SharedPipe> {
  const place = makePlace();
  return new Promise((resolve, reject) => {
    let server: Server | null = null;
    let ours: Socket | null = null;
    let theirs: Socket | null = null;
    let isConnected = false;
    let isOver = false;
    const end = (error: Error | null): void => {
      if (isOver) return;
      isOver = true;
      server?.close();
      place.remove();
      if (error === null && ours !== null && theirs !== null) {
        theirs.off('error', end).off('close', onClose);
        resolve({ ours, theirs });
        return;
      }
      ours?.destroy();
      theirs?.destroy();
      reject(error);
    };
    const onClose = (): void => end(tooManyFiles());
    const look = (): void => {
      if (ours !== null && isConnected) end(null);
    };
    server = net().createServer({ pauseOnConnect: true });
    server.once('error', end);
    server.once('connection', (socket) => {
      ours = socket;
      if (isOver) socket.destroy();
      look();
    });
    server.listen({ path: place.path, exclusive: true }, () => {
      theirs = net().connect(place.path);
      theirs.on('error', end);
      // Without a free descriptor the connection is taken and closed again.
      theirs.on('close', onClose);
      theirs.once('connect', () => {
        isConnected = true;
        look();
      });
      theirs.resume();
    });
  });
}

/** Where the two ends meet: a folder that is ours alone. */
function makePlace(): { path: string; remove(): void } {
  // Pipes of Windows are in no folder: nobody is to guess the name.
  if (process.platform === 'win32')
    return { path: `\\\\.\\pipe\\asyncio-${crypto.randomUUID()}`, remove: () => {} };
  const folder = fs().mkdtempSync(`${os().tmpdir()}/asyncio-`);
  const path = `${folder}/pipe`;
  return {
    path,
    // Not with rmSync: it opens the folder, for which there may be no descriptor.
    remove: () => {
      if (fs().existsSync(path)) fs().unlinkSync(path);
      fs().rmdirSync(folder);
    },
  };
}

function tooManyFiles(): Error {
  return Object.assign(new Error('connect EMFILE'), { code: 'EMFILE', errno: -24, syscall: 'connect' });
}
