import asyncio
import functools


class Positives(asyncio.Protocol):
    def connection_made(self, transport):
        self.task = asyncio.create_task(self.serve())  # want: callback

    def data_received(self, data):
        self.loop.call_soon(self.handle, data)  # want: callback

    def handle(self, data):
        loop = asyncio.get_running_loop()  # want: callback
        self.timer = loop.call_later(1, self.on_timer)  # want: callback

    def on_timer(self):
        self.task = asyncio.ensure_future(self.serve())  # want: callback

    async def serve(self):
        fut = asyncio.get_running_loop().create_future()
        fut.add_done_callback(lambda f: asyncio.gather(f, f))  # want: callback
        fut.add_done_callback(functools.partial(self.on_done, 1))

    def on_done(self, n, f):
        print(asyncio.current_task())  # want: callback


class Negatives(asyncio.Protocol):
    def __init__(self):
        self.loop = asyncio.get_running_loop()  # no: callback

    def data_received(self, data):
        self.queue.put_nowait(data)  # no: callback

    async def serve(self):
        self.task = asyncio.create_task(self.read())  # no: callback
        self.loop.call_soon(self.on_soon)  # no: callback

    def on_soon(self):
        async def later():
            t = asyncio.create_task(self.read())  # no: callback
            await t
        self.later = later

    def plain(self):
        return asyncio.ensure_future(self.read())  # no: callback


class Unrelated:
    def data_received(self, data):
        self.task = asyncio.create_task(self.read())  # no: callback
