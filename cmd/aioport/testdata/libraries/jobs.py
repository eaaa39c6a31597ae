"""A job scheduler as libraries for background jobs have it: limits, a failed queue, close."""
import asyncio
import sys
import weakref


class Scheduler:
    def __init__(self, *, limit=100, close_timeout=0.1, exception_handler=None):
        self._jobs = set()
        self._active = weakref.WeakSet()  # want: weak
        self._limit = limit
        self._close_timeout = close_timeout
        self._handler = exception_handler
        self._pending = asyncio.Queue(maxsize=1000)
        self._failed = asyncio.Queue()
        self._failed_task = asyncio.create_task(self._wait_failed())

    async def spawn(self, coro, name=None):
        job = Job(coro, self, name)
        self._jobs.add(job)
        if len(self._jobs) < self._limit:
            job.start()
        else:
            await self._pending.put(job)
        return job

    async def close(self):
        jobs = list(self._jobs)
        await asyncio.gather(*[job.close(timeout=self._close_timeout) for job in self._jobs], return_exceptions=True)  # want: gather-list, order
        self._jobs.clear()
        self._failed.put_nowait(None)
        try:
            await asyncio.wait_for(self._failed_task, None)  # want: no-timeout
        except asyncio.TimeoutError:
            sys.exit("jobs do not end")  # want: exit

    async def _wait_failed(self):
        while True:
            task = await self._failed.get()
            if task is None:
                return
            try:
                await task
            except Exception as exc:  # want: except
                self._handler(exc)


class Job:
    def __init__(self, coro, scheduler, name):
        self._coro = coro
        self._scheduler = scheduler
        self._started = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task | None = None

    def start(self):
        self._task = asyncio.create_task(self._coro)
        self._task.add_done_callback(self._done)
        self._started.set_result(None)  # want: set-result

    def _done(self, task):
        self._scheduler._jobs.discard(self)
        asyncio.ensure_future(self._scheduler._pending.get())  # want: dropped-task, callback

    async def close(self, *, timeout=None):
        if self._task.cancel():
            async with asyncio.timeout(timeout):  # want: no-timeout
                await asyncio.shield(self._task)
