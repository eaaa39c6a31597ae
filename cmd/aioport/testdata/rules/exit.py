import asyncio
import os
import sys


async def positives(config, loop):
    if not config:
        sys.exit(1)  # want: exit
    if config.help:
        exit()  # want: exit
    if config.stop:
        raise SystemExit  # want: exit
    if config.kill:
        raise KeyboardInterrupt()  # want: exit
    os._exit(3)  # want: exit
    loop.add_signal_handler(15, lambda: sys.exit(0))  # want: exit


async def main():
    return 0


def negatives(config):
    if not config:
        sys.exit("no config")  # no: exit
    raise SystemExit(2)  # no: exit


async def more(task, door):
    if task.failed:
        raise RuntimeError("failed")  # no: exit
    door.exit()  # no: exit
    sys.stdout.write("bye")  # no: exit


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))  # no: exit
