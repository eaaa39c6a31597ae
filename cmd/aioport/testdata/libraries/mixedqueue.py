"""A queue between threads and tasks."""
import asyncio
import threading
from collections import deque


class MixedQueue:
    def __init__(self, maxsize=0):
        self._loop = asyncio.get_running_loop()
        self._maxsize = maxsize
        self._items = deque()
        self._mutex = threading.Lock()
        self._not_empty = asyncio.Condition()
        self._finished = asyncio.Event()
        self._pending = set()

    def sync_put(self, item, timeout=None):
        with self._mutex:
            self._items.append(item)
        self._loop.call_soon_threadsafe(self._notify)

    def _notify(self):
        task = self._loop.create_task(self._notify_waiters())  # want: callback
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _notify_waiters(self):
        async with self._not_empty:
            self._not_empty.notify()

    async def get(self):
        async with self._not_empty:
            while not self._items:
                await self._not_empty.wait()
            return self._items.popleft()

    async def wait_closed(self):
        if self._pending:
            await asyncio.wait(self._pending)
        for task in self._pending:  # want: order
            task.result()
        await self._finished.wait()

    async def poll(self, interval):
        while True:
            await asyncio.sleep(interval)  # want: seconds
            await asyncio.sleep(0)
            try:
                await asyncio.wait_for(self.get(), 0.1)  # want: seconds
            except (asyncio.TimeoutError, Exception):  # want: except
                continue
