"""A server of the websockets package that sends every message back. Argument: the port."""
import asyncio
import sys

import websockets


async def echo(socket, _path=None):
    async for message in socket:
        if message == "close":
            await socket.close(4000, "as you like")
        elif message == "ping":
            await (await socket.ping(b"are you there"))
            await socket.send("ponged")
        elif message == "fragments":
            await socket.send(part for part in ["in ", "three ", "parts"])
        else:
            await socket.send(message)


async def main():
    options = {"subprotocols": ["echo", "other"], "max_size": 64 * 1024 * 1024}
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), **options):
        await asyncio.Future()


asyncio.run(main())
