"""The work of ../bench_test.go, done by asyncio or uvloop.

    python3 workloads.py [-loop asyncio|uvloop] [-seconds S] [-count N] [NAME ...]

Each workload has the name of its Go benchmark, takes how many operations to do, and returns how many
seconds they took. It is run once to warm up, then with as many operations as take about S seconds, N
times. The standard output has one JSON object a line: first what ran, then the medians.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import threading
import time
import tracemalloc

BATCH = 200_000
HOUR = 3600.0
clock = time.perf_counter


class Missing(Exception):
    """This Python lacks what the workload needs."""


def need(name):
    if not hasattr(asyncio, name):
        raise Missing("asyncio has no " + name)


def rounds(n, size):
    """Counts of at most size that add up to n."""
    while n > 0:
        yield min(n, size)
        n -= size


async def one():
    return 1


async def yields(n):
    for _ in range(n):
        await asyncio.sleep(0)


async def switches(n, tasks):
    start = clock()
    counts = [n // tasks + (i < n % tasks) for i in range(tasks)]
    await asyncio.gather(*[yields(c) for c in counts])
    return clock() - start


async def switch(n):
    return await switches(n, 2)


async def switch10k(n):
    return await switches(n, 10_000)


async def spawn_await(n):
    start = clock()
    for _ in range(n):
        await asyncio.create_task(one())
    return clock() - start


async def gather(n):
    start = clock()
    for k in rounds(n, BATCH):
        await asyncio.gather(*[one() for _ in range(k)])
    return clock() - start


async def task_group(n):
    need("TaskGroup")
    start = clock()
    for k in rounds(n, BATCH):
        async with asyncio.TaskGroup() as tg:
            for _ in range(k):
                tg.create_task(one())
    return clock() - start


async def future_wake(n):
    loop = asyncio.get_running_loop()
    start = clock()
    for _ in range(n):
        f = loop.create_future()
        loop.call_soon(f.set_result, 1)
        await f
    return clock() - start


async def queue_nowait(n):
    q = asyncio.Queue()
    start = clock()
    for i in range(n):
        q.put_nowait(i)
        q.get_nowait()
    return clock() - start


async def queue(n, size):
    q = asyncio.Queue(size)

    async def produce():
        for i in range(n):
            await q.put(i)

    start = clock()
    producer = asyncio.create_task(produce())
    for _ in range(n):
        await q.get()
    await producer
    return clock() - start


async def queue1(n):
    return await queue(n, 1)


async def queue128(n):
    return await queue(n, 128)


async def lock_uncontended(n):
    lock = asyncio.Lock()
    start = clock()
    for _ in range(n):
        await lock.acquire()
        lock.release()
    return clock() - start


async def contended(n, guard):
    async def sections():
        for _ in range(n // 10 + 1):
            async with guard:
                await asyncio.sleep(0)

    start = clock()
    await asyncio.gather(*[sections() for _ in range(10)])
    return clock() - start


async def lock_contended(n):
    return await contended(n, asyncio.Lock())


async def semaphore_contended(n):
    return await contended(n, asyncio.Semaphore(3))


async def event_ping_pong(n):
    ping, pong = asyncio.Event(), asyncio.Event()

    async def answer():
        for _ in range(n):
            await ping.wait()
            ping.clear()
            pong.set()

    start = clock()
    answering = asyncio.create_task(answer())
    for _ in range(n):
        ping.set()
        await pong.wait()
        pong.clear()
    await answering
    return clock() - start


async def timers100k(n):
    start = clock()
    for _ in range(n):
        await asyncio.gather(*[asyncio.sleep((i % 100 + 1) / 1000) for i in range(100_000)])
    return clock() - start


async def call_soon(n):
    loop = asyncio.get_running_loop()
    calls = 0

    def count():
        nonlocal calls
        calls += 1

    start = clock()
    for k in rounds(n, 1000):
        for _ in range(k):
            loop.call_soon(count)
        await asyncio.sleep(0)
    return clock() - start


async def call_later_cancel(n):
    loop = asyncio.get_running_loop()

    def nothing():
        pass

    start = clock()
    for k in rounds(n, 1000):
        for _ in range(k):
            loop.call_later(HOUR, nothing).cancel()
        await asyncio.sleep(0)
    return clock() - start


async def step():
    await asyncio.sleep(0)
    return 1


async def wait_for(n):
    start = clock()
    for _ in range(n):
        await asyncio.wait_for(step(), HOUR)
    return clock() - start


async def timeout(n):
    need("timeout")
    start = clock()
    for _ in range(n):
        async with asyncio.timeout(HOUR):
            await asyncio.sleep(0)
    return clock() - start


async def cancel(n):
    seconds = 0.0
    for k in rounds(n, 100_000):
        tasks = [asyncio.create_task(asyncio.sleep(HOUR)) for _ in range(k)]
        await asyncio.sleep(0)
        start = clock()
        for t in tasks:
            t.cancel()
        for t in tasks:
            try:
                await t
            except asyncio.CancelledError:
                pass
        seconds += clock() - start
    return seconds


async def to_thread(n):
    need("to_thread")
    start = clock()
    for _ in range(n):
        await asyncio.to_thread(int)
    return clock() - start


def run_coroutine_threadsafe(loop, n):
    runner = threading.Thread(target=loop.run_forever)
    runner.start()
    start = clock()
    for _ in range(n):
        asyncio.run_coroutine_threadsafe(one(), loop).result()
    seconds = clock() - start
    loop.call_soon_threadsafe(loop.stop)
    runner.join()
    return seconds


async def parked():
    """The bytes that Python's allocators hold for each task that waits."""
    event = asyncio.Event()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tasks = [asyncio.create_task(event.wait()) for _ in range(BATCH)]
    await asyncio.sleep(0)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    event.set()
    await asyncio.gather(*tasks)
    return held / BATCH


WORKLOADS = {
    "Switch": switch,
    "Switch10k": switch10k,
    "SpawnAwait": spawn_await,
    "Gather": gather,
    "TaskGroup": task_group,
    "FutureWake": future_wake,
    "QueueNowait": queue_nowait,
    "Queue1": queue1,
    "Queue128": queue128,
    "LockUncontended": lock_uncontended,
    "LockContended": lock_contended,
    "SemaphoreContended": semaphore_contended,
    "EventPingPong": event_ping_pong,
    "Timers100k": timers100k,
    "CallSoon": call_soon,
    "CallLaterCancel": call_later_cancel,
    "WaitFor": wait_for,
    "Timeout": timeout,
    "Cancel": cancel,
    "ToThread": to_thread,
    "RunCoroutineThreadsafe": run_coroutine_threadsafe,
    "Parked": parked,
}


def runner(loop, workload):
    """A function that does the workload n times."""
    if asyncio.iscoroutinefunction(workload):
        return lambda n: loop.run_until_complete(workload(n))
    return lambda n: workload(loop, n)


# So many operations at least, so that making the tasks does not count.
LEAST = {"Switch10k": 200_000}


def sized(run, seconds, n):
    """How many operations take about that long, n at least. Finding out is the warm-up."""
    least = n
    while True:
        start = clock()  # with what a workload sets up, so that the whole takes so long
        run(n)
        took = clock() - start
        more = min(100, seconds / took)
        if more < 1.5:
            return max(least, int(n * more))
        n = int(n * more) + 1


def measure(loop, name, workload, seconds, count):
    if workload is parked:
        values = [loop.run_until_complete(parked()) for _ in range(count)]
        unit = "B/parked"
    else:
        run = runner(loop, workload)
        n = sized(run, seconds, LEAST.get(name, 1))
        values = [run(n) / n * 1e9 for _ in range(count)]
        unit = "ns/op"
    return {"name": name, "unit": unit, "value": statistics.median(values), "values": values}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("-loop", choices=["asyncio", "uvloop"], default="asyncio")
    args.add_argument("-seconds", type=float, default=0.5)
    args.add_argument("-count", type=int, default=3)
    args.add_argument("names", nargs="*")
    args = args.parse_args()

    about = {"python": platform.python_version()}
    if args.loop == "uvloop":
        import uvloop

        about["uvloop"] = uvloop.__version__
        new_loop = uvloop.new_event_loop
    else:
        new_loop = asyncio.new_event_loop
    print(json.dumps(about), flush=True)

    for name in args.names or WORKLOADS:
        loop = new_loop()
        asyncio.set_event_loop(loop)
        try:
            line = measure(loop, name, WORKLOADS[name], args.seconds, args.count)
        except Missing as missing:
            line = {"name": name, "missing": str(missing)}
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
