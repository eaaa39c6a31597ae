# Runs Python programs with a virtual clock in the loops of asyncio: a loop that would only wait for
# a timer sets its clock forward instead. So the program prints the same on a machine that is busy. A
# loop with open connections, subprocesses or threads waits in real time.
#
# Standard input has a JSON list of programs, and standard output gets a list of their exit statuses
# and outputs. Each program runs in a child process, so that asyncio is imported once for all.
import asyncio
import json
import os
import selectors
import sys
import tempfile
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
results = []
for program in json.load(sys.stdin):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            break
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for f in out, err:
            f.seek(0)
            texts.append(f.read().decode())
        results.append({"Status": status, "Stdout": texts[0], "Stderr": texts[1]})
else:
    json.dump(results, sys.stdout)
    sys.exit()
exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
