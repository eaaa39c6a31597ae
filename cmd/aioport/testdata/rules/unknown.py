import asyncio
from asyncio import base_events, sleep
import asyncio as aio


async def positives():
    asyncio.async_(main())  # want: unknown
    asyncio.JoinableQueue()  # want: unknown
    aio.get_tasks()  # want: unknown
    base_events.BaseEventLoop  # want: unknown
    asyncio.call_soon(print)  # want: unknown


async def negatives():
    await sleep(1)  # no: unknown
    asyncio.subprocess.PIPE  # no: unknown
    self.asyncio.nothing()  # no: unknown
    asyncio.events.get_running_loop()  # no: unknown
    await asyncio.subprocess.create_subprocess_exec("ls")  # no: unknown
    aio.Queue()  # no: unknown
    trio.sleep_forever()  # no: unknown
