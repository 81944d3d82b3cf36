import { Lock } from 'asyncio-ts';

const lock = new Lock();
{
  // expect: Property '[Symbol.dispose]' is missing in type 'Coroutine<Guard>'
  using held = lock.acquire();
}
