import asyncio
from asyncio import create_task as spawn


class Positives:
    def __init__(self):
        self.loop = asyncio.get_event_loop()

    async def go(self, my_loop):
        asyncio.create_task(self.work())  # want: dropped-task
        spawn(self.work())  # want: dropped-task
        asyncio.ensure_future(self.work())  # want: dropped-task
        self.loop.create_task(self.work())  # want: dropped-task
        my_loop.create_task(self.work())  # want: dropped-task
        asyncio.get_running_loop().create_task(self.work())  # want: dropped-task
        spawn(self.work()).add_done_callback(print)  # want: dropped-task
        _ = asyncio.create_task(self.work())  # want: dropped-task


class Negatives:
    async def go(self):
        self.task = asyncio.create_task(self.work())  # no: dropped-task
        self.task.add_done_callback(print)  # no: dropped-task
        await asyncio.create_task(self.work())  # no: dropped-task
        self.tasks.add(spawn(self.work()))  # no: dropped-task
        async with asyncio.TaskGroup() as tg:
            tg.create_task(self.work())  # no: dropped-task
        return asyncio.ensure_future(self.work())  # no: dropped-task

    async def more(self, database):
        database.create_task("clean the house")  # no: dropped-task
        asyncio.create_task(self.work())  # aioport: ok dropped-task
