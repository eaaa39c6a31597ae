# Runs a Python program, the first argument, with a virtual clock in the loops of asyncio: a loop that
# would only wait for a timer sets its clock forward instead. So the program prints the same on a
# machine that is busy. A loop with open connections, subprocesses or threads waits in real time.
import asyncio
import selectors
import sys
import threading
import time


class Selector(selectors.DefaultSelector):
    now = 0.0  # the time of the clock

    def select(self, timeout=None):
        events = super().select(0)
        if events or timeout == 0:
            return events
        only_self_pipe = len(self.get_map()) == 1 and threading.active_count() == 1
        if timeout is not None and only_self_pipe:
            self.now += max(timeout, 0)
            return []
        began = time.monotonic()
        events = super().select(timeout)
        self.now += time.monotonic() - began
        return events


class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.clock = Selector()
        super().__init__(self.clock)

    def time(self):
        return self.clock.now


asyncio.DefaultEventLoopPolicy._loop_factory = Loop
program = sys.argv.pop(1)
exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
