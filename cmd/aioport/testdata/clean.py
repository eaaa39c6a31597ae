"""A worker pool: nothing here needs more thought than the names."""
import asyncio


class Pool:
    def __init__(self, size: int):
        self.size = size
        self.queue: asyncio.Queue[str] = asyncio.Queue(100)
        self.done = []

    async def put(self, job: str) -> None:
        await self.queue.put(job)

    async def worker(self) -> None:
        while True:
            try:
                job = await self.queue.get()
            except asyncio.QueueShutDown:
                return
            async with asyncio.timeout(5):
                await asyncio.sleep(1)
            self.done.append(job)
            self.queue.task_done()

    async def run(self, jobs: list[str]) -> None:
        async with asyncio.TaskGroup() as tg:
            for _ in range(self.size):
                tg.create_task(self.worker())
            for job in jobs:
                await self.put(job)
            await self.queue.join()
            self.queue.shutdown()


async def main() -> int:
    pool = Pool(3)
    await pool.run(["a", "b", "c"])
    return len(pool.done)


if __name__ == "__main__":
    print(asyncio.run(main()))
