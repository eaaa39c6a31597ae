import asyncio
from asyncio import sleep

PAUSE = 3.5


async def positives(loop, delay, settings):
    await sleep(0.5)  # want: seconds
    await asyncio.sleep(delay)  # want: seconds
    await asyncio.sleep(2 ** settings.attempt)  # want: seconds
    await asyncio.wait_for(sleep(1), timeout=1.5)  # want: seconds
    loop.call_later(PAUSE, print)  # want: seconds
    async with asyncio.timeout(settings.limit):  # want: seconds
        pass
    loop.call_at(loop.time() + 3, print)  # want: seconds
    await asyncio.wait([], timeout=1e-9)  # want: seconds
    await asyncio.open_connection("a", 1, happy_eyeballs_delay=0.25)  # want: seconds
    await asyncio.start_server(print, port=1, ssl_handshake_timeout=1, ssl_shutdown_timeout=.5)  # want: seconds


async def negatives(loop, time):
    await sleep(0)  # no: seconds
    await asyncio.sleep(10)  # no: seconds
    await asyncio.wait_for(sleep(1), 5)  # no: seconds
    async with asyncio.timeout(3):  # no: seconds
        pass
    time.sleep(0.5)  # no: seconds
    await asyncio.wait([])  # no: seconds
    loop.call_soon(print, 0.5)  # no: seconds
