"""Subprocesses of asyncio or uvloop, for netbench: spawn.py LOOP WHAT SECONDS APART."""
import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE

GIB = 1 << 30


async def spawn(*command, **pipes):
    if apart == "true":  # on the core of the load
        command = ("taskset", "-c", "1", *command)
    return await asyncio.create_subprocess_exec(*command, **pipes)


async def true():
    process = await spawn("/bin/true")
    await process.wait()


async def fill(writer):
    data = bytes(65536)
    for _ in range(GIB // len(data)):
        writer.write(data)
        await writer.drain()
    writer.close()


async def write():
    process = await spawn("dd", "of=/dev/null", "bs=64k", "status=none", stdin=PIPE)
    await fill(process.stdin)
    await process.wait()


async def drain(reader):
    n = 0
    while data := await reader.read(65536):
        n += len(data)
    assert n == GIB, n


async def read():
    process = await spawn("dd", "if=/dev/zero", "bs=64k", "count=16384", "status=none", stdout=PIPE)
    await drain(process.stdout)
    await process.wait()


async def cat():
    process = await spawn("cat", stdin=PIPE, stdout=PIPE)
    await asyncio.gather(fill(process.stdin), drain(process.stdout))
    await process.wait()


async def main(do, seconds):
    await do()
    runs, spent, cpu, start = 0, 0, time.process_time(), time.perf_counter()
    while spent < seconds or not runs:
        await do()
        runs, spent = runs + 1, time.perf_counter() - start
    print(json.dumps({"Runs": runs, "Seconds": spent, "CPU": time.process_time() - cpu}))


loop, what, seconds, apart = sys.argv[1:]
if loop == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main({"true": true, "read": read, "write": write, "cat": cat}[what], float(seconds)))
