/**
 * Files that nobody has closed. What was written to them still reaches them, as the destructors of Python's files see to;
 * and Node 26 ends the program when the handle of an open file is collected.
 */
import type { BaseEventLoop } from '../core/base-events.ts';
import { fromPromise, methodCoroutine } from '../core/coroutines.ts';
import { logger } from '../core/log.ts';
import type { Gen } from '../core/types.ts';
import { endWithRun } from '../io/open-resources.ts';
import type { BufferedFile } from './buffered.ts';
import type { BaseFile } from './files.ts';

/** A file that is open. It does not hold what the program holds, which may be collected. */
interface OpenFile {
  readonly text: string;
  readonly buffered: BufferedFile;
  readonly file: WeakRef<BaseFile<any>>; // text or bytes, that makes no difference here
}

const openFiles = new WeakMap<BaseEventLoop, Set<OpenFile>>();

const abandoned = /* @__PURE__ */ new FinalizationRegistry<OpenFile>(({ text, buffered }) => {
  logger.warning(`ResourceWarning: unclosed ${text}`);
  buffered.close().catch((error: unknown) => logger.error(`closing ${text} failed: ${error}`));
});

/** `file` is open: unless it is closed before, the end of the run of `loop` does that, or whoever collects it. */
export function watchOpen(loop: BaseEventLoop, file: BaseFile<any>): void {
  let set = openFiles.get(loop);
  if (set === undefined) {
    set = new Set();
    openFiles.set(loop, set);
    endWithRun(loop, () => closeLeft(loop));
  }
  const files = set;
  const buffered = file._buffered;
  const open: OpenFile = { text: String(file), buffered, file: new WeakRef(file) };
  files.add(open);
  abandoned.register(file, open, open);
  buffered.onClosing = () => {
    files.delete(open);
    abandoned.unregister(open);
  };
}

const closeLeft = /* @__PURE__ */ methodCoroutine('closeFiles', function* (loop: BaseEventLoop): Gen<void> {
  for (const { text, buffered, file } of openFiles.get(loop) ?? []) {
    if (loop.getDebug()) logger.warning(`unclosed ${text}`);
    const closing = (file.deref()?.close().toPromise() ?? buffered.close()).catch((exception: unknown) =>
      loop.callExceptionHandler({ message: `closing ${text} failed`, exception }),
    );
    // Nobody knows when a pipe or a terminal gives what is being read from it.
    if (buffered.isSeekable) yield* fromPromise(closing);
  }
});
