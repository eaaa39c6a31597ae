"""A pool of connections with a keepalive, as clients of databases and brokers have it."""
import asyncio
import logging
import random

log = logging.getLogger(__name__)


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader = reader
        self._writer = writer
        self._replies: dict[int, asyncio.Future] = {}
        self._reader_task = asyncio.get_event_loop().create_task(self._read_forever())

    @classmethod
    async def open(cls, host, port, *, timeout=5):
        async with asyncio.timeout(timeout):  # want: seconds
            reader, writer = await asyncio.open_connection(host, port)
        return cls(reader, writer)

    async def _read_forever(self):
        try:
            while line := await self._reader.readline():
                fut = self._replies.pop(line[0], None)
                if fut is not None:
                    fut.set_result(line)  # want: set-result
        except Exception as e:  # want: except
            log.warning("connection lost: %s", e)
        for fut in self._replies.values():  # want: order
            fut.cancel()

    async def call(self, n, payload):
        self._replies[n] = fut = asyncio.get_running_loop().create_future()
        self._writer.write(payload)
        await self._writer.drain()
        return await fut

    async def close(self):
        self._writer.close()
        await self._writer.wait_closed()


class Pool:
    def __init__(self, address, size=10):
        self._address = address
        self._free = asyncio.LifoQueue(size)
        self._used = set()
        self._sem = asyncio.BoundedSemaphore(size)

    async def acquire(self):
        await self._sem.acquire()
        try:
            conn = self._free.get_nowait()
        except asyncio.QueueEmpty:
            conn = await self._connect()
        self._used.add(conn)
        return conn

    async def _connect(self):
        for attempt in range(5):
            try:
                return await Connection.open(*self._address)
            except OSError:
                await asyncio.sleep(random.random() * 2 ** attempt)  # want: seconds
        raise SystemExit("no connection")  # want: exit

    def release(self, conn):
        self._used.discard(conn)
        self._free.put_nowait(conn)
        self._sem.release()

    async def close(self):
        for conn in self._used:  # want: order
            await conn.close()
        asyncio.ensure_future(self.keepalive(None))  # want: dropped-task

    async def keepalive(self, interval):
        size, version = await asyncio.gather(self.size(), self.version())  # want: gather-mixed
        loop = asyncio.get_running_loop()
        loop.call_later(30, self._ping)

    def _ping(self):
        asyncio.get_running_loop().create_task(self.keepalive(30))  # want: dropped-task, callback, callback

    async def size(self) -> int:
        return 1

    async def version(self) -> str:
        return ""
