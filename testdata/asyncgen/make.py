"""Runs the programs of this folder on CPython's asyncio under a virtual clock and writes their traces.

    python3 make.py            runs programs.py and generated.py, writes programs.trace and generated.trace
    python3 make.py N SEED     writes N random programs to generated.py first

Needs CPython 3.14. A program is a part of a file that begins with a line "# NAME". Its functions use
what is defined in globals_of below. The statements that programs may have are listed in
pull_python_test.go, which runs the same programs on this package.

A line of a trace is: the time in seconds, the name of the task, and what happened.
"""
import asyncio
import pathlib
import random
import re
import selectors
import sys
from contextlib import aclosing

here = pathlib.Path(__file__).parent


class Deadlock(BaseException):
    pass


class VirtualSelector(selectors.SelectSelector):
    """Moves the clock instead of waiting."""
    loop = None

    def select(self, timeout=None):
        if timeout is None:
            raise Deadlock
        self.loop.now += max(timeout, 0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.now = 0.0
        selector = VirtualSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self):
        return self.now

    def _make_self_pipe(self): pass
    def _close_self_pipe(self): pass
    def _write_to_self(self): pass


class Err(Exception):
    pass


def kind(e):
    for cls, name in [(asyncio.CancelledError, "cancelled"), (GeneratorExit, "exit"), (TimeoutError, "timeout"),
                      (RuntimeError, "misuse")]:
        if isinstance(e, cls):
            return name
    return "error:" + e.args[0] if isinstance(e, Err) else type(e).__name__


def globals_of(trace, loop):
    tasks, names = {}, {}

    def log(*what):
        task = asyncio.current_task()
        name = names.get(task, "loop")
        trace.append(f"{round(loop().now)} {name} {' '.join(map(str, what))}")

    async def body(name, f):
        names[asyncio.current_task()] = name
        try:
            await f()
        except BaseException as e:
            log("ends:", kind(e))
            raise
        log("ends")

    async def logged(what, it, awaitable):
        try:
            v = await awaitable
        except StopAsyncIteration:
            log(what, it, "end")
        except BaseException as e:
            log(what, it, kind(e))
            raise
        else:
            log(what, it, "ok" if v is None else v)

    g = {
        "log": log, "Err": Err, "CancelledError": asyncio.CancelledError, "sleep": asyncio.sleep,
        "aclosing": aclosing, "timeout": asyncio.timeout, "wait_for": asyncio.wait_for, "body": body,
        "next_of": lambda it: logged("next", it, anext(g[it])),
        "close": lambda it: logged("close", it, g[it].aclose()),
        "spawn": lambda f: tasks.__setitem__(f.__name__, asyncio.create_task(body(f.__name__, f))),
        "cancel": lambda f: tasks[f.__name__].cancel(),
    }

    async def join(f):
        try:
            await tasks[f.__name__]
        except BaseException as e:
            log("join", f.__name__, kind(e))
            raise
        log("join", f.__name__, "ok")
    g["join"] = join
    return g


def run(source):
    trace, loop = [], None

    def factory():
        nonlocal loop
        loop = VirtualLoop()
        loop.set_exception_handler(lambda loop, context: None)
        return loop
    g = globals_of(trace, lambda: loop)
    exec(source, g)
    # The iterators it, it2 and so on, each of the generator that the line "# it = g" names.
    for name, f in re.findall(r"^# (it\d?) = (\w+)$", source, re.M):
        g[name] = g[f]()
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(g["body"]("main", g["main"]))
    except (Exception, asyncio.CancelledError):
        pass
    return trace


def programs(path):
    parts = re.split(r"^## (.*)\n", path.read_text(), flags=re.M)
    return list(zip(parts[1::2], parts[2::2]))


class Random:
    """Makes a random program."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.out = []
        self.values = 0

    def line(self, depth, text):
        self.out.append("    " * depth + text)

    def block(self, depth, size, what, loops):
        for _ in range(self.r.randint(1, size)):
            what(depth, loops)

    def body(self, depth, loops):
        """a statement of a generator"""
        r = self.r
        p = r.random()
        deep = depth < 4
        if p < 0.3:
            self.values += 1
            self.line(depth, f"yield {self.values}")
        elif p < 0.55:
            self.line(depth, f"await sleep({r.choice([0, 0, 1, 2, 3])})")
        elif p < 0.63:
            self.line(depth, f'log("{r.choice("abcdef")}")')
        elif p < 0.66:
            self.line(depth, f'raise Err("{r.choice("xyz")}")')
        elif p < 0.68:
            self.line(depth, "return")
        elif p < 0.8 and deep:
            self.line(depth, "try:")
            self.block(depth + 1, 3, self.body, loops)
            if r.random() < 0.6:
                self.line(depth, "finally:")
                self.block(depth + 1, 2, self.clean, loops)
            else:
                self.line(depth, f"except {r.choice(['CancelledError', 'Err', 'CancelledError'])}:")
                self.block(depth + 1, 2, self.clean, loops)
                self.line(depth + 1, r.choice(["raise", "raise", "pass"]))
        elif p < 0.92 and deep:
            self.line(depth, f"for _ in range({r.randint(2, 3)}):")
            self.block(depth + 1, 3, self.body, True)
        elif loops:
            self.line(depth, r.choice(["break", "continue"]))
        else:
            self.line(depth, "await sleep(1)")

    def clean(self, depth, loops):
        """a statement of a clean-up"""
        p = self.r.random()
        if p < 0.5:
            self.line(depth, f'log("{self.r.choice("uvw")}")')
        elif p < 0.53:
            self.line(depth, f'raise Err("{self.r.choice("uvw")}")')
        else:
            self.line(depth, f"await sleep({self.r.choice([0, 1, 2])})")

    def use(self, depth, loops):
        """a statement of a task"""
        r = self.r
        p = r.random()
        it = r.choice(["it", "it", "it2"])
        deep = depth < 3
        if p < 0.35:
            self.line(depth, f'await next_of("{it}")')
        elif p < 0.42:
            self.line(depth, f'await close("{it}")')
        elif p < 0.52:
            self.line(depth, f"await sleep({r.choice([0, 1, 2])})")
        elif p < 0.6:
            self.line(depth, f'await wait_for(next_of("{it}"), {r.choice([1, 2, 3])})')
        elif p < 0.7 and deep:
            self.line(depth, f"async with timeout({r.choice([1, 2, 3])}):")
            self.block(depth + 1, 3, self.use, loops)
        elif p < 0.8 and deep:
            self.line(depth, f"async for x in {it}:")
            self.line(depth + 1, "log(x)")
            if r.random() < 0.6:
                self.block(depth + 1, 1, self.use, True)
            if r.random() < 0.5:
                self.line(depth + 1, "break")
        elif p < 0.88 and deep:
            self.line(depth, f"async with aclosing({it}):")
            self.block(depth + 1, 2, self.use, loops)
        elif p < 0.97 and deep:
            self.line(depth, "try:")
            self.block(depth + 1, 3, self.use, loops)
            self.line(depth, f"except {r.choice(['CancelledError', 'Err', 'TimeoutError', 'RuntimeError'])}:")
            self.clean(depth + 1, loops)
            self.line(depth + 1, r.choice(["raise", "pass"]))
        else:
            self.line(depth, 'log("step")')

    def make(self):
        r = self.r
        self.out += ["# it = g", "# it2 = h"]
        for name in "gh":
            self.line(0, f"async def {name}():")
            if name == "h" and r.random() < 0.5:
                self.line(1, "try:")
                self.line(2, f"async for x in {r.choice(['it', 'it'])}:")
                self.line(3, "yield x")
                self.line(1, "finally:")
                self.block(2, 2, self.clean, False)
                continue
            self.block(1, 6, self.body, False)
            self.line(1, "yield 0")
        for name in "ab":
            self.line(0, f"async def {name}():")
            for _ in range(r.randint(2, 5)):
                guarded = r.random() < 0.6
                if guarded:
                    self.line(1, "try:")
                self.use(1 + guarded, False)
                if guarded:
                    self.line(1, f"except {r.choice(['CancelledError', 'Err', 'TimeoutError', 'RuntimeError', 'BaseException'])}:")
                    self.clean(2, False)
        self.line(0, "async def main():")
        self.line(1, "spawn(a)")
        self.line(1, "spawn(b)")
        for _ in range(r.randint(0, 3)):
            self.line(1, f"await sleep({r.choice([0, 0, 1, 1, 2])})")
            self.line(1, f"cancel({r.choice('ab')})")
        for name in "ab":
            self.line(1, "try:")
            self.line(2, f"await join({name})")
            self.line(1, "except BaseException:")
            self.line(2, "pass")
        if r.random() < 0.5:
            self.line(1, 'await close("it")')
        return "\n".join(self.out) + "\n"


def main():
    if len(sys.argv) > 1:
        n, seed, text, found = int(sys.argv[1]), int(sys.argv[2]), "", 0
        while found < n:
            seed += 1
            program = Random(seed).make()
            trace = run(program)
            # CPython closes generators that are open at the end in the order of a set.
            if 12 <= len(trace) <= 60 and len(program) < 850 and not any(" loop " in t for t in trace):
                text += f"## {seed}\n{program}"
                found += 1
        (here / "generated.py").write_text(text)
    for name in "programs", "generated":
        text = ""
        for title, source in programs(here / f"{name}.py"):
            traces = {tuple(run(source)) for _ in range(3)}
            assert len(traces) == 1, f"{title}: the trace differs from run to run"
            text += f"## {title}\n" + "".join(line + "\n" for line in traces.pop())
        (here / f"{name}.trace").write_text(text)


if __name__ == "__main__":
    main()
