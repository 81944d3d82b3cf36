/** Async generators that a loop closes at its end. Counterpart: the hooks in `asyncio/base_events.py`. */
import type { BaseEventLoop } from './base-events.ts';
import { coroutine } from './coroutines.ts';
import { requireLoop } from './events.ts';
import { BaseException } from './exceptions.ts';
import { repr } from './format-helpers.ts';
import type { Gen } from './types.ts';
import { gather } from './waiting.ts';

type AnyAsyncGenerator = AsyncGenerator<unknown, unknown, never>;

const tracked = new WeakMap<BaseEventLoop, Set<AnyAsyncGenerator>>();

/**
 * Let the running loop close `agen` at the end of `run`, so that its `finally` blocks run even if it is left in the
 * middle. JavaScript has no hook for plain async generators, so this says it.
 *
 * @returns `agen` itself.
 *
 * Source: CPython 3.14 `loop.shutdown_asyncgens`, `sys.set_asyncgen_hooks`.
 */
export function trackAsyncgen<G extends AnyAsyncGenerator>(agen: G): G {
  const loop = requireLoop();
  if (typeof (agen as Partial<AnyAsyncGenerator> | null | undefined)?.return !== 'function') {
    throw new TypeError(`an async generator was expected, got ${repr(agen)}`);
  }
  tracked.set(loop, (tracked.get(loop) ?? new Set()).add(agen));
  loop._closeAsyncgens = () => closeAsyncgens(loop);
  return agen;
}

const closeAsyncgens = /* @__PURE__ */ coroutine(function* shutdownAsyncgens(loop: BaseEventLoop): Gen<void> {
  const agens = [...(tracked.get(loop) ?? [])];
  tracked.delete(loop);
  if (agens.length === 0) return;
  const closings = agens.map((agen) => async () => {
    await agen.return(undefined);
  });
  const results = yield* gather(closings, { returnExceptions: true });
  results.forEach((result: unknown, index: number) => {
    if (result === undefined || result instanceof BaseException) return;
    loop.callExceptionHandler({
      message: `an error occurred during closing of asynchronous generator ${agens[index]}`,
      exception: result,
      asyncgen: agens[index],
    });
  });
});
