"""What the Python programs share: the sizes, the clocks, and the child process (see clock.ts and ../child.ts)."""

import gc
import json
import math
import sys
import time
import tracemalloc

MANY = 1000
CONTENDERS = 100
ROOM = 10
PEERS = 8
MIN_REPETITIONS = 3


class Stopwatch:
    """Wall and CPU time in milliseconds between start and stop."""

    def start(self):
        self.cpu_ms = time.process_time()
        self.wall_ms = time.perf_counter()

    def stop(self):
        self.wall_ms = (time.perf_counter() - self.wall_ms) * 1000
        self.cpu_ms = (time.process_time() - self.cpu_ms) * 1000


class Scales:
    """Memory that Python allocated between start and stop and did not free."""

    def start(self):
        gc.collect()
        tracemalloc.start()
        self.before = tracemalloc.get_traced_memory()[0]

    def stop(self):
        gc.collect()
        self.bytes = tracemalloc.get_traced_memory()[0] - self.before
        tracemalloc.stop()


def check(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected}, got {actual}")


def deadlines(n):
    """The same list as in clock.ts."""
    state = 12345
    delays = []
    for _ in range(n):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        delays.append(0.001 + state / 0x7FFFFFFF * (n / 200_000))
    return delays


def main(workloads, run):
    """Measure one workload and print its figures. Arguments: workload, n, operations per n, milliseconds to fill.

    `run(workload, n, clock)` runs one repetition to its end.
    """
    name = sys.argv[1]
    n, ops_per_n, fill_ms = map(int, sys.argv[2:])
    print(json.dumps(measure(workloads.get(name), run, n, ops_per_n, fill_ms)))


def measure(workload, run, n, ops_per_n, fill_ms):
    if workload is None:
        return {"missing": True}

    def repeat(n, clock):
        run(workload, n, clock)
        return clock

    if workload.__name__ == "memory":
        repeat(math.ceil(n / 10), Scales())
        return {"bytes": [repeat(n, Scales()).bytes / n]}
    repeat(math.ceil(n / 5), Stopwatch())
    wall, cpu, ms = [], [], 0.0
    begin = time.perf_counter()
    while ms < fill_ms or (len(wall) < MIN_REPETITIONS and ms < 3 * fill_ms):
        watch = repeat(n, Stopwatch())
        wall.append(watch.wall_ms * 1e6 / (n * ops_per_n))
        cpu.append(watch.cpu_ms * 1e6 / (n * ops_per_n))
        ms = (time.perf_counter() - begin) * 1000
    return {"wall": wall, "cpu": cpu}
