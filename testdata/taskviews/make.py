"""Writes what python -m asyncio ps and pstree print for each program of this folder.

Run it with CPython 3.14 and the right to look into another process:

    python3 make.py

The addresses, which differ from run to run, are replaced by numbers in the order in which
they appear, and the thread by 1.
"""

import pathlib
import re
import subprocess
import sys

here = pathlib.Path(__file__).parent


def stable(text):
    numbers = {"0x0": "0x0"}
    text = re.sub(r"0x[0-9a-f]+", lambda m: numbers.setdefault(m[0], hex(len(numbers))), text)
    text = re.sub(r"(?m)^\d+", "1", text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


for program in sorted(here.glob("*.py")):
    if program.name == "make.py":
        continue
    p = subprocess.Popen([sys.executable, program.name], cwd=here, stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "ready\n"
        for view in "ps", "pstree":
            for _ in range(20):  # it may look while the program runs
                r = subprocess.run([sys.executable, "-m", "asyncio", view, str(p.pid)], capture_output=True, text=True)
                if "await-graph contains cycles" in r.stderr:
                    break
                if r.returncode == 0 and ("Task-1" in r.stdout or program.stem == "none"):
                    break
            else:
                sys.exit(r.stdout + r.stderr)
            program.with_suffix("." + view).write_text(stable(r.stdout + r.stderr))
    finally:
        p.kill()
