"""CPython's executors under the same load."""

import asyncio
import sys
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

WORKERS = 2
IN_FLIGHT = 64
BUFFER = 10 * 1024 * 1024


def add(a, b):
    return a + b


def bounce(buffer):
    return buffer


def in_flight(executor, n):
    """The oldest result is waited for, and the next call begun: submitted by one thread, as in the other programs."""
    window = deque(executor.submit(add, 1, 2) for _ in range(IN_FLIGHT))
    for _ in range(n - IN_FLIGHT):
        if window.popleft().result() != 3:
            raise SystemExit("a wrong result")
        window.append(executor.submit(add, 1, 2))
    for future in window:
        future.result()


def one_at_a_time(executor, n):
    for _ in range(n):
        if executor.submit(add, 1, 2).result() != 3:
            raise SystemExit("a wrong result")


def clone(executor, n):
    buffer = bytearray(BUFFER)
    for _ in range(n):
        buffer = executor.submit(bounce, buffer).result()


def from_loop(tasks):
    """The same from an event loop, by tasks that await their calls, as in the programs for Node."""

    async def repeat(executor, n):
        loop = asyncio.get_running_loop()
        for _ in range(n):
            if await loop.run_in_executor(executor, add, 1, 2) != 3:
                raise SystemExit("a wrong result")

    async def load(executor, n):
        await asyncio.gather(*(repeat(executor, n // tasks) for _ in range(tasks)))

    return lambda executor, n: asyncio.run(load(executor, n))


LOADS = {"in_flight": in_flight, "one_at_a_time": one_at_a_time, "clone": clone}
LOOP_LOADS = {"in_flight": from_loop(IN_FLIGHT), "one_at_a_time": from_loop(1)}
POOLS = {"threads": ThreadPoolExecutor, "processes": ProcessPoolExecutor}


def main():
    name, workload, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if workload == "start":
        begin = time.perf_counter()
        with POOLS[name](1) as executor:
            executor.submit(add, 1, 2).result()
            print((time.perf_counter() - begin) * 1e9)
        return
    kind = name.removeprefix("asyncio-")
    load = (LOADS if kind == name else LOOP_LOADS)[workload]
    with POOLS[kind](WORKERS) as executor:
        load(executor, max(n // 4, 1))
        begin = time.perf_counter()
        load(executor, n)
        print((time.perf_counter() - begin) * 1e9 / n)


if __name__ == "__main__":
    main()
