"""The programs in CPython's asyncio; with --uvloop on uvloop's loop. See control.ts."""

import asyncio
import json
import os
import resource
import sys
import time

BLOCK = 64 * 1024
REST = 0.001
LOOK = 0.01

peak = 0


def say(what):
    print(json.dumps(what), flush=True)


def rss():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def cpu():
    return time.process_time() * 1e6


def look():
    global peak
    peak = max(peak, rss())
    asyncio.get_running_loop().call_later(LOOK, look)


def descriptors():
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def usage():
    global peak
    now = rss()
    known = {"cpu": cpu(), "rss": now, "peak": max(peak, now), "fds": descriptors()}
    peak = now
    return known


def on_line(answer):
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    answer(line.strip())


def obey(answer):
    look()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), on_line, answer)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def echo(reader, writer):
    while data := await reader.read(BLOCK):
        writer.write(data)
        await writer.drain()
    writer.close()


async def send(reader, writer):
    block = b"x" * BLOCK
    count = int(await reader.readline())
    for _ in range(0, count, BLOCK):
        writer.write(block)
        await writer.drain()
    writer.close()


async def serve(what):
    loop = asyncio.get_running_loop()
    if what == "protocol":
        server = await loop.create_server(Echo, "127.0.0.1", 0)
    else:
        server = await asyncio.start_server(echo if what == "echo" else send, "127.0.0.1", 0)
    obey(lambda line: say(usage()))
    say({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


async def timed(work):
    used, start = cpu(), time.perf_counter()
    await work
    say({"seconds": time.perf_counter() - start, "cpu": cpu() - used})


async def fetch(port, count, rest):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"%d\n" % count)
    got = 0
    while data := await reader.read(BLOCK):
        got += len(data)
        if rest:
            await asyncio.sleep(REST)
    writer.close()
    if got != count:
        raise AssertionError(f"{got} bytes came of {count}")


async def receive(port, rest):
    lines = asyncio.Queue()
    obey(lines.put_nowait)
    say({})
    while True:
        line = await lines.get()
        if line == "usage":
            say(usage())
        else:
            await timed(fetch(port, int(line), rest))


async def spawn(count):
    for _ in range(count):
        process = await asyncio.create_subprocess_exec("true")
        if await process.wait() != 0:
            raise AssertionError("true has failed")


async def spawn_all(count, at_once):
    await asyncio.gather(*(spawn(count // at_once) for _ in range(at_once)))


async def measure_spawn(count, at_once):
    await spawn(at_once)
    await timed(spawn_all(count, at_once))


if "--uvloop" in sys.argv:
    import uvloop

    sys.argv.remove("--uvloop")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
what, *numbers = sys.argv[1:]
if what == "receive":
    asyncio.run(receive(int(numbers[0]), numbers[1] == "1"))
elif what == "spawn":
    asyncio.run(measure_spawn(*map(int, numbers)))
else:
    asyncio.run(serve(what))
