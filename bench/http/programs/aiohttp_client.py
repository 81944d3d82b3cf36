"""aiohttp's client; with --uvloop on uvloop's loop. See drive.ts and control.ts."""

import asyncio
import gc
import json
import os
import resource
import sys
import time

import aiohttp

LARGE = 1024 * 1024


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


def usage():
    gc.collect()
    return {"cpu": cpu(), "rss": rss()}


async def request(session, kind, url):
    async with session.get(url) as response:
        return await (response.json() if kind == "json" else response.read())


class Load:
    def __init__(self, session):
        self.session = session
        self.is_over = False
        self.answers = 0
        self.held = set()

    def end(self):
        self.is_over = True

    async def requests(self, kind, url):
        while not self.is_over:
            answer = await request(self.session, kind, url)
            if answer["id"] != 7 if kind == "json" else len(answer) != LARGE:
                raise AssertionError("a wrong answer")
            self.answers += 1

    async def run(self, kind, in_flight, url, ms):
        self.is_over = False
        self.answers = 0
        used, start = cpu(), time.perf_counter()
        asyncio.get_running_loop().call_later(int(ms) / 1000, self.end)
        await asyncio.gather(*(self.requests(kind, url) for _ in range(int(in_flight))))
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "cpu": cpu() - used, "answers": self.answers}

    async def wait(self, url):
        try:
            await request(self.session, "json", url)
        except aiohttp.ClientError:
            pass  # the server has ended

    async def hold(self, count, url):
        self.held.update(asyncio.create_task(self.wait(url)) for _ in range(int(count)))
        return {}


async def main():
    lines = asyncio.Queue()

    def on_line():
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        lines.put_nowait(line.split())

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), on_line)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        load = Load(session)
        say({})
        while True:
            command, *args = await lines.get()
            say(usage() if command == "usage" else await getattr(load, command)(*args))


# Node does so by itself.
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
if "--uvloop" in sys.argv:
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
