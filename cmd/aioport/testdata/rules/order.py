import asyncio


class Positives:
    def __init__(self):
        self.tasks = set()
        self.sessions = {}

    async def close(self, names: set[str], routes: dict[str, str]):
        for t in self.tasks:  # want: order
            t.cancel()
        await asyncio.gather(*self.tasks)  # want: order, gather-list
        for s in self.sessions.values():  # want: order
            await s.close()
        await asyncio.wait([t.done() for t in self.tasks])  # want: order
        for n in list(names):  # want: order
            await self.stop(n)
        for name, route in routes.items():  # want: order
            await self.stop(route)
        for n in names - {"a"}:  # want: order
            print(n)


class Negatives:
    def __init__(self):
        self.tasks = []
        self.sizes = {}

    async def close(self, names: set[str]):
        for t in self.tasks:  # no: order
            t.cancel()
        for n in sorted(names):  # no: order
            await self.stop(n)
        total = sum(len(n) for n in names)  # no: order
        for n in self.sizes:  # no: order
            total += n
        if "a" in names:  # no: order
            names.add("b")
        done, pending = await asyncio.wait(self.tasks)
        for t in done:  # no: order
            t.result()
        return {n.upper() for n in names}  # no: order
