/** Async generators that a loop closes at its end. Counterpart: the hooks in `asyncio/base_events.py`. */
import type { BaseEventLoop } from './base-events.ts';
import { coroutine } from './coroutines.ts';
import { requireLoop } from './events.ts';
import { BaseException } from './exceptions.ts';
import { gather } from './waiting.ts';

/**
 * Let the running loop close `agen` at the end of `run`, so that its `finally` blocks run even if it is left in the
 * middle. JavaScript has no hook for plain async generators, so this says it.
 *
 * @returns `agen` itself.
 *
 * Source: CPython 3.14 `loop.shutdown_asyncgens`, `sys.set_asyncgen_hooks`.
 */
export function trackAsyncgen<G extends AsyncGenerator<unknown, unknown, any>>(agen: G): G {
  requireLoop()._asyncgens.add(agen as AsyncGenerator<unknown, unknown, unknown>);
  return agen;
}

export const closeAsyncgens = coroutine(function* shutdownAsyncgens(loop: BaseEventLoop) {
  const agens = [...loop._asyncgens];
  loop._asyncgens.clear();
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
