import { EventLoop } from 'asyncio-ts/core';
import * as asyncio from 'asyncio-ts';

const loop = new EventLoop();
// expect: is not assignable to parameter of type 'never'
loop.createConnection(() => new asyncio.Protocol(), 'example.org', 80);
// expect: is not assignable to parameter of type 'never'
loop.addSignalHandler('SIGHUP', () => {});

/** A loop of somebody else's, with a method of its own. */
export class Loop extends asyncio.BaseEventLoop {
  override createConnection(factory: () => asyncio.Protocol, host: string): asyncio.Coroutine<string> {
    return asyncio.sleep(0, `${host} for ${factory().constructor.name}`);
  }
}
