import asyncio


class Positives:
    def __init__(self):
        self.ready = asyncio.Future()

    def data_received(self, data):
        self.ready.set_result(data)  # want: set-result

    def lost(self, exc, fut, other):
        fut.set_exception(exc)  # want: set-result
        if other.done():
            fut.set_result(None)  # want: set-result
        if fut:
            fut.set_result(1)  # want: set-result
        for waiter in self.waiters:
            waiter.set_result(None)  # want: set-result

    async def late(self, loop):
        fut = asyncio.get_running_loop().create_future()
        await asyncio.sleep(1)
        fut.set_result(1)  # want: set-result

    def swallow(self, fut):
        try:
            fut.set_result(1)  # want: set-result
        except ValueError:
            pass


class Negatives:
    def data_received(self, data):
        if not self.ready.done():
            self.ready.set_result(data)  # no: set-result

    def early(self, fut, exc):
        if fut.done():
            return
        fut.set_exception(exc)  # no: set-result

    def loop(self):
        for waiter in self.waiters:
            if waiter.cancelled():
                continue
            waiter.set_result(None)  # no: set-result

    def fresh(self):
        fut = asyncio.get_running_loop().create_future()
        fut.set_result(1)  # no: set-result
        return fut

    def given(self, loop=None):
        self.loop = loop or asyncio.get_event_loop()
        fut = self.loop.create_future()
        fut.set_result(1)  # no: set-result
        return fut

    def guarded(self, fut):
        try:
            fut.set_result(1)  # no: set-result
        except asyncio.InvalidStateError:
            pass

    def short(self, fut):
        fut.done() or fut.set_result(1)  # no: set-result
        fut.set_result  # no: set-result
