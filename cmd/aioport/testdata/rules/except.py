import asyncio
import contextlib
import logging
from asyncio import CancelledError
from contextlib import suppress


async def positives(reader, queue, lock, tg):
    try:
        await reader.read()
    except Exception:  # want: except
        logging.exception("read failed")
    try:
        async for line in reader:
            print(line)
    except:  # want: except
        pass
    try:
        await queue.get()
    except BaseException as e:  # want: except
        print(e)
    try:
        async with lock:
            pass
    except CancelledError:  # want: except
        pass
    try:
        await queue.join()
    except (ValueError, Exception) as e:  # want: except
        print(e)
    try:
        print((await queue.get()) + 1)
    except (asyncio.CancelledError, OSError):  # want: except
        return None
    try:
        await tg.done()
    except ValueError:
        pass
    except Exception:  # want: except
        pass
    with suppress(CancelledError):  # want: except
        await queue.get()
    with contextlib.suppress(ValueError, Exception):  # want: except
        await queue.get()
    with lock, suppress(BaseException):  # want: except
        async with lock:
            pass


async def negatives(reader, queue, f):
    with suppress(ValueError, asyncio.TimeoutError):  # no: except
        await queue.get()
    with suppress(Exception):  # no: except
        f()
    with f(Exception):  # no: except
        await queue.get()
    try:
        await reader.read()
    except ValueError:  # no: except
        pass
    try:
        f()
    except Exception:  # no: except
        pass
    try:
        await queue.get()
    except asyncio.CancelledError:  # no: except
        raise
    except Exception:  # no: except
        pass
    try:
        await queue.get()
    except BaseException:  # no: except
        f()
        raise
    try:
        async def inner():
            await queue.get()
    except Exception:  # no: except
        pass
    try:
        await queue.get()
    except (OSError, asyncio.TimeoutError):  # no: except
        pass
    try:
        await queue.get()
    except Exception:  # aioport: ok
        pass
    try:
        await queue.get()
    except Exception:  # aioport: ok except, order
        pass
