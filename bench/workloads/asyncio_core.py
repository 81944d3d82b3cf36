"""The workloads in CPython's asyncio; with --uvloop on uvloop's loop."""

import asyncio
import sys

from clock import CONTENDERS, MANY, PEERS, ROOM, check, deadlines, main


async def yields(times):
    for _ in range(times):
        await asyncio.sleep(0)
    return times


async def nested(levels):
    if levels > 1:
        return await nested(levels - 1) + 1
    await asyncio.sleep(0)
    return 1


async def nothing():
    return 1


async def parked(gate):
    return await gate


async def sleeper(seconds):
    await asyncio.sleep(seconds)
    return 1


async def contend(lock, times):
    for _ in range(times):
        async with lock:
            await asyncio.sleep(0)
    return times


async def produce(queue, items):
    for _ in range(items):
        await queue.put(1)


async def consume(queue, items):
    total = 0
    for _ in range(items):
        total += await queue.get()
    return total


async def stand_in_line(lock):
    await lock.acquire()


async def cancel_all(tasks):
    cancelled = 0
    for task in tasks:
        task.cancel()
    for task in tasks:
        try:
            await task
        except asyncio.CancelledError:
            cancelled += 1
    return cancelled


async def yield0(n, clock):
    clock.start()
    check(await yields(n), n)
    clock.stop()


async def yield_many(n, clock):
    clock.start()
    tasks = [asyncio.create_task(yields(n // MANY)) for _ in range(MANY)]
    total = 0
    for task in tasks:
        total += await task
    clock.stop()
    check(total, n)


async def deep10(n, clock):
    total = 0
    clock.start()
    for _ in range(n):
        total += await nested(10)
    clock.stop()
    check(total, 10 * n)


async def spawn_join(n, clock):
    total = 0
    clock.start()
    tasks = [asyncio.create_task(nothing()) for _ in range(n)]
    for task in tasks:
        total += await task
    clock.stop()
    check(total, n)


async def spawn_yield_seq(n, clock):
    total = 0
    clock.start()
    for _ in range(n):
        total += await asyncio.create_task(yields(1))
    clock.stop()
    check(total, n)


async def gather10k(n, clock):
    clock.start()
    results = await asyncio.gather(*[yields(10) for _ in range(n)])
    clock.stop()
    check(sum(results), 10 * n)


async def timers(n, clock):
    delays = deadlines(n)
    total = 0
    clock.start()
    tasks = [asyncio.create_task(sleeper(delays[i])) for i in range(n)]
    for task in tasks:
        total += await task
    clock.stop()
    check(total, n)


async def cancel(n, clock):
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(parked(loop.create_future())) for _ in range(n)]
    await yields(2)
    clock.start()
    cancelled = await cancel_all(tasks)
    clock.stop()
    check(cancelled, n)


async def cancel_sleep(n, clock):
    tasks = [asyncio.create_task(sleeper(3600)) for _ in range(n)]
    await yields(2)
    clock.start()
    cancelled = await cancel_all(tasks)
    clock.stop()
    check(cancelled, n)


async def lock(n, clock):
    lock = asyncio.Lock()
    clock.start()
    tasks = [asyncio.create_task(contend(lock, n // CONTENDERS)) for _ in range(CONTENDERS)]
    total = 0
    for task in tasks:
        total += await task
    clock.stop()
    check(total, n)


async def queue(n, clock):
    queue = asyncio.Queue(ROOM)
    clock.start()
    producer = asyncio.create_task(produce(queue, n))
    consumer = asyncio.create_task(consume(queue, n))
    await producer
    total = await consumer
    clock.stop()
    check(total, n)


async def queue_many(n, clock):
    queue = asyncio.Queue(ROOM)
    clock.start()
    producers = [asyncio.create_task(produce(queue, n // PEERS)) for _ in range(PEERS)]
    consumers = [asyncio.create_task(consume(queue, n // PEERS)) for _ in range(PEERS)]
    total = 0
    for producer in producers:
        await producer
    for consumer in consumers:
        total += await consumer
    clock.stop()
    check(total, n)


async def cancel_waiters(n, clock):
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = [asyncio.create_task(stand_in_line(lock)) for _ in range(n)]
    await yields(2)
    clock.start()
    cancelled = await cancel_all(tasks)
    clock.stop()
    check(cancelled, n)


async def cancel_waiters_1m(n, clock):
    await cancel_waiters(n, clock)


async def memory(n, clock):
    loop = asyncio.get_running_loop()
    gates = [None] * n
    clock.start()
    for i in range(n):
        gates[i] = loop.create_future()
        asyncio.create_task(parked(gates[i]))
    await yields(2)
    clock.stop()
    for gate in gates:
        gate.set_result(None)
    await yields(3)


WORKLOADS = {
    f.__name__: f
    for f in (
        yield0,
        yield_many,
        deep10,
        spawn_join,
        spawn_yield_seq,
        gather10k,
        timers,
        cancel,
        cancel_sleep,
        lock,
        queue,
        queue_many,
        cancel_waiters,
        cancel_waiters_1m,
        memory,
    )
}


def run(workload, n, clock):
    asyncio.run(workload(n, clock))


if __name__ == "__main__":
    if "--uvloop" in sys.argv:
        import uvloop

        sys.argv.remove("--uvloop")
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    main(WORKLOADS, run)
