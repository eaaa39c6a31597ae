"""Writes cases.txt: what aiostream's operators do, with the time of each event.

Run it with Python 3.14 and aiostream 0.7:

    python3 aiostream.py > cases.txt

Each line has a number, an expression, the pause of the consumer after an item, the
number of items after which it leaves (-1 means never), the events that the consumer
sees, and the times at which sources end, separated by tabs. Times are seconds of a
virtual clock, which the tests in Go read as milliseconds.

In an expression src("10 a b 5 !") is a source: words are items, numbers are pauses, "!"
is an error. ordered and unordered are map: they call a function that takes a thousand seconds for each letter of
its item, and fails for the item "bad"; the number is task_limit, where 0 means none.
"""

import asyncio
import random
import selectors

from aiostream import stream, streamcontext


class Selector(selectors.DefaultSelector):
    now = 0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("deadlock")
        self.now += timeout
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    def time(self):
        return self._selector.now


class Failed(Exception):
    pass


def evaluate(expression, ends):
    def now():
        return round(asyncio.get_running_loop().time())

    async def src(words):
        try:
            for w in words.split():
                if w.isdigit():
                    await asyncio.sleep(int(w))
                elif w == "!":
                    raise Failed
                else:
                    yield w
        finally:
            ends.append(now())

    async def slow(v):
        if v == "bad":
            raise Failed
        await asyncio.sleep(1000 * len(v))
        return v.upper()

    def join(items):
        return "+".join(items)

    return eval(
        expression,
        {
            "src": src,
            "chain": stream.chain,
            "merge": stream.merge,
            "zip": lambda *s: stream.map(stream.zip(*s), join),
            "ordered": lambda s, n: stream.map(s, slow, task_limit=n or None),
            "unordered": lambda s, n: stream.map(s, slow, ordered=False, task_limit=n or None),
            "chunks": lambda s, n: stream.map(stream.chunks(s, n), join),
            "timeout": stream.timeout,
        },
    )


async def consume(expression, pause, limit, events, ends):
    loop = asyncio.get_running_loop()

    def add(what):
        events.append(f"{what}@{round(loop.time())}")

    n = 0
    try:
        async with streamcontext(evaluate(expression, ends)) as streamer:
            async for v in streamer:
                add(v)
                n += 1
                if n == limit:
                    break
                if pause:
                    await asyncio.sleep(pause)
    except Failed:
        add("failed")
    except TimeoutError:
        add("timeout")
    add("over")


def run(expression, pause, limit):
    events, ends = [], []
    with asyncio.Runner(loop_factory=lambda: Loop(Selector())) as runner:
        runner.run(consume(expression, pause, limit, events, ends))
    return " ".join(events), " ".join(map(str, sorted(ends)))


# What the documentation of the operators says.
DOCUMENTED = [
    # chain: in the order they are given; the rest is not touched when it is interrupted
    ('chain(src("10 a b"), src("10 c"))', 0, -1),
    ('chain(src("a"), src("b"))', 0, 1),
    ("chain()", 0, -1),
    ('chain(src("a !"), src("b"))', 0, -1),
    # zip: until the shortest is exhausted; waiting times do not add up
    ('zip(src("10 a 30 b"), src("20 c 10 d"))', 0, -1),
    ('zip(src("a 10"), src("b 20 c"))', 0, -1),
    ('zip(src("a b c"))', 0, -1),
    ("zip()", 0, -1),
    ('zip(src("a 10 !"), src("b 20 c"))', 0, -1),
    ('zip(src("10 a 5"), src("7 b 5 !"))', 0, -1),
    ('zip(src("10 a 5 !"), src("7 b 5"))', 0, -1),
    # map: in order or not; limited; 1 means sequentially
    ('ordered(src("aaa b cc"), 1)', 0, -1),
    ('ordered(src("aaa b cc"), 0)', 0, -1),
    ('ordered(src("aaa b cc"), 2)', 0, -1),
    ('unordered(src("aaa b cc"), 0)', 0, -1),
    ('unordered(src("aaa b cc"), 2)', 0, -1),
    ('unordered(src("aaa b cc"), 1)', 0, -1),
    ('ordered(src("a b c d e f g h"), 10)', 0, 3),
    ('timeout(ordered(src("a bb ccc dddd eeeee"), 1), 4500)', 0, -1),
    # merge: simultaneously, as soon as they are available, until all are exhausted
    ('merge(src("10 a 20 b"), src("20 c 20 d"))', 0, -1),
    ('merge(src("10 a 10 b"), src("90 c"))', 0, 1),
    ('merge(src("10 a 20 !"), src("15 b 100 c"))', 0, -1),
    ('timeout(merge(src("a 99"), src("b 99")), 10)', 0, -1),
    ("merge()", 0, -1),
    # chunks: lists of n; the last might have less
    ('chunks(src("a b c d e"), 2)', 0, -1),
    ('chunks(src("a b c !"), 2)', 0, -1),
    ('chunks(src("a 10 b 10 c"), 1)', 0, -1),
    # timeout: specific to each step
    ('timeout(src("10 a 10 b 40 c"), 20)', 100, -1),
    ('timeout(src("10 a 10 b"), 20)', 0, 1),
]

# Where the operators here differ on purpose: see TestAiostream.
DIFFERENT = [
    ('merge(src("10 a b"), src("20 c"))', 25, -1),
    ('unordered(src("10 aa b c"), 0)', 4000, -1),
    ('ordered(src("10 a b 100 c"), 2)', 700, -1),
    ('ordered(src("10 a !"), 0)', 0, -1),
]


def generate(r, depth):
    def source():
        # no two sources are ready at the same moment
        words = [str(r.randint(1, 4000))]
        for _ in range(r.randint(1, 5)):
            words.append(r.choice(["a", "b", "cc", "ddd", str(r.randint(1, 4000)), str(r.randint(1, 4000))]))
        words.append(r.choice(["w", "yy", "z", "z", "z", "!", "bad"]))
        return f'src("{" ".join(words)}")'

    if depth == 0:
        return source()

    def some(n):
        return ", ".join(generate(r, r.randrange(depth)) for _ in range(n))

    match r.randrange(8):
        case 0:
            return f"chain({some(r.randint(1, 3))})"
        case 1 | 2:
            return f"merge({some(r.randint(1, 3))})"
        case 3:
            return f"zip({some(r.randint(1, 3))})"
        case 4:
            return f"ordered({some(1)}, {r.randint(0, 3)})"
        case 5:
            return f"unordered({some(1)}, {r.randint(0, 3)})"
        case 6:
            return f"chunks({some(1)}, {r.randint(1, 3)})"
        case _:
            return f"timeout({some(1)}, {r.randint(500, 6000)})"


r = random.Random(23)
cases = DOCUMENTED + DIFFERENT + [
    (generate(r, r.randint(1, 3)), r.choice([0, 0, 0, 700, 2500]), r.choice([-1, -1, -1, 1, 2, 3]))
    for _ in range(1000)
]
for number, (expression, pause, limit) in enumerate(cases):
    events, ends = run(expression, pause, limit)
    print(number, expression, pause, limit, events, ends, sep="\t")
