/** Opening a file. Counterpart: `aiofiles.open`. */
import type { PathLike } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { checkBody, coroutine, inlineBody, methodCoroutine } from '../core/coroutines.ts';
import { requireLoop } from '../core/events.ts';
import type { Coroutine, Gen } from '../core/types.ts';
import { fs } from '../io/builtins.ts';
import { opening } from '../io/open-resources.ts';
import { BufferedFile } from './buffered.ts';
import { codecOf } from './codecs.ts';
import { BinaryFile, TextFile } from './files.ts';
import { watchOpen } from './left-open.ts';
import {
  type BinaryMode,
  checkOptions,
  type Mode,
  parseMode,
  type TextMode,
  type TextOptions,
} from './modes.ts';

/** A file that is being opened: await it, or `run` a body with it. */
export interface Opening<F> extends Coroutine<F> {
  /** Open it, run `body` with it in the calling task, close it, and give the body's value. */
  run<T>(body: (file: F) => Gen<T>): Coroutine<T>;
  run<T>(body: (file: F) => T | PromiseLike<T>): Coroutine<T>;
}

type AnyFile = TextFile | BinaryFile;

/** Where it stands, once it is known that it is a file. Closes it if it is none. */
async function examine(handle: FileHandle, path: PathLike, mode: Mode): Promise<BufferedFile> {
  try {
    const stats = await handle.stat();
    if (stats.isDirectory()) {
      throw Object.assign(new Error(`EISDIR: illegal operation on a directory, open '${String(path)}'`), {
        code: 'EISDIR',
        errno: -21,
        syscall: 'open',
        path,
      });
    }
    const isSeekable = stats.isFile() || stats.isBlockDevice();
    return new BufferedFile(handle, isSeekable, mode.appends, stats.size);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function* openFile(path: PathLike, mode: string = 'r', options: TextOptions = {}): Gen<AnyFile> {
  const parsed = parseMode(mode);
  checkOptions(parsed, options);
  const codec = parsed.isBinary ? null : codecOf(options.encoding ?? 'utf8', options.errors !== 'replace');
  const opened = fs()
    .promises.open(path, parsed.flags)
    .then((handle) => examine(handle, path, parsed));
  const buffered = yield* opening(opened, (late) => late.close());
  const file =
    codec === null
      ? new BinaryFile(path, parsed, buffered)
      : new TextFile(path, parsed, buffered, codec, options);
  watchOpen(requireLoop(), file);
  return file;
}

// What a call gives is the generator itself, so its `run` stands on the prototype of all of them.
Object.defineProperty(openFile.prototype, 'run', {
  value(this: Coroutine<AnyFile>, body: (file: AnyFile) => unknown) {
    checkBody(body, 'open', 'file');
    return runWithFile(this, body);
  },
});
Object.defineProperty(openFile, 'name', { value: 'open' });

// Which kind of file it is, the overloads of `open` say (`any`).
const openingOf = coroutine(openFile) as (...args: Parameters<typeof openFile>) => Opening<any>;

const runWithFile = methodCoroutine(
  'open.run',
  function* (coro: Coroutine<AnyFile>, body: (file: AnyFile) => unknown): Gen<unknown> {
    const file = yield* coro;
    try {
      return yield* inlineBody(body, file);
    } finally {
      yield* file.close();
    }
  },
);

/**
 * Open a file, as Python's `open` does.
 *
 * ```ts
 * await open('in.txt').run(async (file) => {
 *   for await (const line of file) console.log(line);
 * });
 * ```
 *
 * @param path - a path, or a `file:` URL.
 * @param mode - `r` read (default), `w` write a new or emptied file, `x` write one that must be new, `a` append; with
 *   `+` both read and write; with `b` bytes, else text.
 * @param options.encoding - of text: `utf8` (default), `latin1` or `ascii`.
 * @param options.errors - of text: `strict` (default) or `replace`.
 * @param options.newline - of text: what ends a line; default all of `\n`, `\r` and `\r\n`, read as `\n`.
 * @returns the file: by `await`, best with `await using`; or for `run(body)`, which closes it.
 * @throws (when awaited) RangeError for a mode or options that cannot be; Node's error with its code, such as ENOENT.
 *
 * Cancellation: what the system opens nevertheless is closed.
 *
 * Source: aiofiles 24 `aiofiles.open`.
 */
export function open(path: PathLike, mode?: TextMode, options?: TextOptions): Opening<TextFile>;
export function open(path: PathLike, mode: BinaryMode): Opening<BinaryFile>;
export function open(path: PathLike, mode: string, options?: TextOptions): Opening<TextFile | BinaryFile>;
export function open(path: PathLike, mode?: string, options?: TextOptions): Opening<any> {
  return openingOf(path, mode, options);
}
