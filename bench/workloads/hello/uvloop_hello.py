import asyncio

import uvloop


async def main():
    await asyncio.sleep(0)
    print("hello")


asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
