"""The workloads in trio. Its tasks have no result: they add to a total. They live in a nursery, whose end joins
them, and are cancelled together.
"""

import trio
from clock import CONTENDERS, MANY, PEERS, ROOM, check, deadlines, main


class Total:
    """What the tasks of a workload have done."""

    done = 0
    cancelled = 0


async def yields(times):
    for _ in range(times):
        await trio.lowlevel.checkpoint()
    return times


async def nested(levels):
    if levels > 1:
        return await nested(levels - 1) + 1
    await trio.lowlevel.checkpoint()
    return 1


async def yields_for(total, times):
    # Not `+= await`, which would read the total before it waits.
    done = await yields(times)
    total.done += done


async def nothing_for(total):
    total.done += 1


async def sleeper(total, seconds):
    await trio.sleep(seconds)
    total.done += 1


async def contend(total, lock, times):
    for _ in range(times):
        async with lock:
            await trio.lowlevel.checkpoint()
    total.done += times


async def produce(sender, items):
    for _ in range(items):
        await sender.send(1)


async def consume(total, receiver, items):
    received = 0
    for _ in range(items):
        received += await receiver.receive()
    total.done += received


async def until_cancelled(total, operation, *args):
    try:
        await operation(*args)
    except trio.Cancelled:
        total.cancelled += 1
        raise


async def cancel_all(n, clock, parked):
    """Cancel n tasks; `parked(total)` is what each of them runs."""
    total = Total()
    async with trio.open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(*parked(total))
        await yields(2)
        clock.start()
        nursery.cancel_scope.cancel()
    clock.stop()
    check(total.cancelled, n)


async def yield0(n, clock):
    clock.start()
    check(await yields(n), n)
    clock.stop()


async def yield_many(n, clock):
    total = Total()
    clock.start()
    async with trio.open_nursery() as nursery:
        for _ in range(MANY):
            nursery.start_soon(yields_for, total, n // MANY)
    clock.stop()
    check(total.done, n)


async def deep10(n, clock):
    total = 0
    clock.start()
    for _ in range(n):
        total += await nested(10)
    clock.stop()
    check(total, 10 * n)


async def spawn_join(n, clock):
    total = Total()
    clock.start()
    async with trio.open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(nothing_for, total)
    clock.stop()
    check(total.done, n)


async def spawn_yield_seq(n, clock):
    total = Total()
    clock.start()
    for _ in range(n):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(yields_for, total, 1)
    clock.stop()
    check(total.done, n)


async def gather10k(n, clock):
    total = Total()
    clock.start()
    async with trio.open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(yields_for, total, 10)
    clock.stop()
    check(total.done, 10 * n)


async def timers(n, clock):
    delays = deadlines(n)
    total = Total()
    clock.start()
    async with trio.open_nursery() as nursery:
        for i in range(n):
            nursery.start_soon(sleeper, total, delays[i])
    clock.stop()
    check(total.done, n)


async def cancel(n, clock):
    await cancel_all(n, clock, lambda total: (until_cancelled, total, trio.Event().wait))


async def cancel_sleep(n, clock):
    await cancel_all(n, clock, lambda total: (until_cancelled, total, trio.sleep, 3600))


async def lock(n, clock):
    lock = trio.Lock()
    total = Total()
    clock.start()
    async with trio.open_nursery() as nursery:
        for _ in range(CONTENDERS):
            nursery.start_soon(contend, total, lock, n // CONTENDERS)
    clock.stop()
    check(total.done, n)


async def queue(n, clock):
    sender, receiver = trio.open_memory_channel(ROOM)
    total = Total()
    clock.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce, sender, n)
        nursery.start_soon(consume, total, receiver, n)
    clock.stop()
    check(total.done, n)


async def queue_many(n, clock):
    sender, receiver = trio.open_memory_channel(ROOM)
    total = Total()
    clock.start()
    async with trio.open_nursery() as nursery:
        for _ in range(PEERS):
            nursery.start_soon(produce, sender, n // PEERS)
            nursery.start_soon(consume, total, receiver, n // PEERS)
    clock.stop()
    check(total.done, n)


async def cancel_waiters(n, clock):
    lock = trio.Lock()
    await lock.acquire()
    await cancel_all(n, clock, lambda total: (until_cancelled, total, lock.acquire))


async def memory(n, clock):
    gates = [None] * n
    async with trio.open_nursery() as nursery:
        clock.start()
        for i in range(n):
            gates[i] = trio.Event()
            nursery.start_soon(gates[i].wait)
        await yields(2)
        clock.stop()
        for gate in gates:
            gate.set()


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
        memory,
    )
}


def run(workload, n, clock):
    trio.run(workload, n, clock)


if __name__ == "__main__":
    main(WORKLOADS, run)
