"""Subprocesses of asyncio or uvloop, for netbench: spawn.py LOOP WHAT SECONDS."""
import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE

GIB = 1 << 30


async def true():
    process = await asyncio.create_subprocess_exec("/bin/true")
    await process.wait()


async def drain(reader):
    n = 0
    while data := await reader.read(65536):
        n += len(data)
    assert n == GIB, n


async def read():
    process = await asyncio.create_subprocess_exec(
        "dd", "if=/dev/zero", "bs=64k", "count=16384", "status=none", stdout=PIPE)
    await drain(process.stdout)
    await process.wait()


async def cat():
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)

    async def write():
        data = bytes(65536)
        for _ in range(GIB // len(data)):
            process.stdin.write(data)
            await process.stdin.drain()
        process.stdin.close()

    await asyncio.gather(write(), drain(process.stdout))
    await process.wait()


async def main(do, seconds):
    await do()
    runs, spent, cpu, start = 0, 0, time.process_time(), time.perf_counter()
    while spent < seconds or not runs:
        await do()
        runs, spent = runs + 1, time.perf_counter() - start
    print(json.dumps({"Runs": runs, "Seconds": spent, "CPU": time.process_time() - cpu}))


loop, what, seconds = sys.argv[1:]
if loop == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main({"true": true, "read": read, "cat": cat}[what], float(seconds)))
