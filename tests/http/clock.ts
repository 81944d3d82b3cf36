/** A clock that jumps, so that no test of a limit has to wait for it, and none fails on a busy machine. */
import {
  type AbstractEventLoop,
  type Awaitable,
  type CoroutineLike,
  EventLoop,
  run as runOn,
  sleep,
} from 'asyncio-ts';

let offset = 0;

/** A loop on the real host whose clock is ahead by what has been passed. */
function clockedLoop(): EventLoop {
  const loop = new EventLoop();
  const { _host: host } = loop as unknown as { _host: { time(): number } };
  const time = host.time.bind(host);
  host.time = () => time() + offset;
  return loop;
}

/** `run`, on a loop whose clock jumps. */
export function run<T>(
  main: CoroutineLike<T> | Awaitable<T>,
  loopFactory: () => AbstractEventLoop = clockedLoop,
): Promise<T> {
  return runOn(main, { loopFactory });
}

/** Let so many seconds pass. The loop notices when it next looks at its clock. */
export function pass(seconds: number): void {
  offset += seconds;
}

/** Let so many seconds pass for the running loop, and its timers that are due then. */
export async function jump(seconds: number): Promise<void> {
  pass(seconds);
  await sleep(0);
}
