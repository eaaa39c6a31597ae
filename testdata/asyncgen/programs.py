## items one by one
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
## items that do not await
# it = g
async def g():
    log("begin")
    try:
        yield 1
        yield 2
        yield 3
    finally:
        log("closed")
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
## an item takes only the passes of its own awaits
# it = g
async def g():
    for _ in range(3):
        await sleep(0)
        yield 1
        await sleep(0)
async def tick():
    for _ in range(6):
        log("pass")
        await sleep(0)
async def main():
    spawn(tick)
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await join(tick)
## no pass for items that do not await
# it = g
async def g():
    log("begin")
    try:
        yield 1
        yield 2
        yield 3
    finally:
        log("closed")
async def tick():
    for _ in range(6):
        log("pass")
        await sleep(0)
async def main():
    spawn(tick)
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
    log("end")
    await join(tick)
## an empty iteration
# it = g
async def g():
    return
    yield 1
async def main():
    await next_of("it")
    await next_of("it")
    await close("it")
    await next_of("it")
## an iteration that awaits and yields nothing
# it = g
async def g():
    await sleep(1)
    return
    yield 1
async def main():
    await next_of("it")
    await next_of("it")
## async for to the end
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    async for x in it:
        log(x)
    log("after")
    await next_of("it")
## async for left early leaves the iterator open
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    async for x in it:
        log(x)
        break
    log("after")
    await next_of("it")
    await close("it")
    await next_of("it")
## async for left early in aclosing
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    async with aclosing(it):
        async for x in it:
            log(x)
            break
    log("after")
    await next_of("it")
## async for again after it was left
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    async for x in it:
        log(x)
        break
    async for x in it:
        log(x)
    log("after")
## async for again after the end
# it = g
async def g():
    log("begin")
    try:
        yield 1
        yield 2
        yield 3
    finally:
        log("closed")
async def main():
    async for x in it:
        log(x)
    async for x in it:
        log("again")
    log("after")
## an exception in the body of async for
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    try:
        async for x in it:
            raise Err("mine")
    except Err:
        log("caught")
    await next_of("it")
    await close("it")
## an exception in the body of aclosing
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    try:
        async with aclosing(it):
            await next_of("it")
            raise Err("mine")
    except Err:
        log("caught")
    await next_of("it")
## async for whose body awaits
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    async for x in it:
        log(x)
        await sleep(2)
    log("after")
## continue in async for
# it = g
async def g():
    log("begin")
    try:
        yield 1
        yield 2
        yield 3
    finally:
        log("closed")
async def main():
    async for x in it:
        log(x)
        continue
    log("after")
## return in async for
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    async for x in it:
        return
async def main():
    spawn(a)
    await join(a)
    await next_of("it")
    await close("it")
## closed before the first item
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    await close("it")
    await next_of("it")
    await close("it")
## closed before the first item, in aclosing
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    async with aclosing(it):
        log("nothing")
    await next_of("it")
## closed while suspended at an item
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    await next_of("it")
    await close("it")
    await next_of("it")
    await close("it")
## closed after the end
# it = g
async def g():
    log("begin")
    try:
        yield 1
        yield 2
        yield 3
    finally:
        log("closed")
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await close("it")
    await close("it")
## closed twice
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def main():
    await next_of("it")
    await close("it")
    await close("it")
    await next_of("it")
## close awaits in finally
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def main():
    await next_of("it")
    log("close")
    await close("it")
    log("after")
## close awaits in finally: others run
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def tick():
    for _ in range(6):
        log("pass")
        await sleep(0)
async def main():
    await next_of("it")
    spawn(tick)
    await close("it")
    await join(tick)
## close in another task
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def a():
    await close("it")
async def main():
    await next_of("it")
    spawn(a)
    await join(a)
    await next_of("it")
## close, an except that catches the exit and returns
# it = g
async def g():
    try:
        yield 1
    except GeneratorExit:
        log("exit")
        return
async def main():
    await next_of("it")
    await close("it")
    await next_of("it")
## close, an except that catches the exit and raises it again
# it = g
async def g():
    try:
        yield 1
    except GeneratorExit:
        log("exit")
        await sleep(1)
        raise
async def main():
    await next_of("it")
    await close("it")
    await next_of("it")
## close, the exit passes nested clean-ups, the inner first
# it = g
async def g():
    try:
        try:
            yield 1
        finally:
            log("inner")
            await sleep(1)
    finally:
        log("outer")
        await sleep(1)
async def main():
    await next_of("it")
    await close("it")
## close, an except Err does not catch the exit
# it = g
async def g():
    try:
        yield 1
    except Err:
        log("no")
        return
async def main():
    await next_of("it")
    await close("it")
## the end runs finally before the last next returns
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
## an exception of the body
# it = g
async def g():
    yield 1
    raise Err("x")
async def main():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("caught")
    await next_of("it")
    await close("it")
## an exception of the body after its clean-up
# it = g
async def g():
    try:
        yield 1
        raise Err("x")
    finally:
        log("cleaning")
        await sleep(1)
        log("clean")
async def main():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("caught")
    await next_of("it")
## an exception of the body before the first item
# it = g
async def g():
    raise Err("x")
    yield 1
async def main():
    try:
        await next_of("it")
    except Err:
        log("caught")
    await next_of("it")
## an exception of the body in async for
# it = g
async def g():
    yield 1
    await sleep(1)
    raise Err("x")
async def main():
    try:
        async for x in it:
            log(x)
    except Err:
        log("caught")
    await next_of("it")
## the body catches its own exception and goes on
# it = g
async def g():
    try:
        raise Err("x")
    except Err:
        log("caught")
        yield 1
    yield 2
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
## the clean-up replaces the exception
# it = g
async def g():
    try:
        raise Err("x")
    finally:
        raise Err("y")
    yield 1
async def main():
    try:
        await next_of("it")
    except Err:
        log("caught")
    await next_of("it")
## cancelled in next, in the await before the first item
# it = g
async def g():
    try:
        await sleep(2)
        yield 1
        await sleep(2)
        yield 2
        await sleep(2)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
    await close("it")
## cancelled in next, in the await in the middle
# it = g
async def g():
    try:
        await sleep(2)
        yield 1
        await sleep(2)
        yield 2
        await sleep(2)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(3)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
    await close("it")
## cancelled in next, in the await before the last item
# it = g
async def g():
    try:
        await sleep(2)
        yield 1
        await sleep(2)
        yield 2
        await sleep(2)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(5)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
    await close("it")
## cancelled in next in the pass in which the item comes
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## cancelled before next begins
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## cancelled before an item that does not await
# it = g
async def g():
    log("begin")
    try:
        yield 1
        yield 2
        yield 3
    finally:
        log("closed")
async def a():
    await sleep(0)
    await next_of("it")
    await next_of("it")
    await sleep(0)
async def main():
    spawn(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## cancelled twice in next, with a clean-up that awaits
# it = g
async def g():
    try:
        await sleep(5)
        yield 1
    finally:
        try:
            await sleep(5)
        finally:
            log("closed")
async def a():
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## the clean-up awaits after a cancellation
# it = g
async def g():
    try:
        await sleep(5)
        yield 1
    finally:
        log("cleaning")
        await sleep(2)
        log("clean")
async def a():
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## the body catches the cancellation and yields
# it = g
async def g():
    try:
        await sleep(5)
    except CancelledError:
        log("caught")
    yield 1
    await sleep(1)
    yield 2
async def a():
    await next_of("it")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    await join(a)
## the body catches the cancellation and raises another error
# it = g
async def g():
    try:
        await sleep(5)
        yield 1
    except CancelledError:
        raise Err("late")
async def a():
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except Err:
        log("failed")
    await next_of("it")
## the body catches the cancellation and ends
# it = g
async def g():
    try:
        await sleep(5)
        yield 1
    except CancelledError:
        log("caught")
async def a():
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    await join(a)
## cancelled in close
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def a():
    await close("it")
async def main():
    await next_of("it")
    spawn(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
    await close("it")
## cancelled in the body of async for
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    async for x in it:
        log(x)
        await sleep(5)
async def main():
    spawn(a)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
    await close("it")
## cancelled in the body of aclosing
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    async with aclosing(it):
        async for x in it:
            log(x)
            await sleep(5)
async def main():
    spawn(a)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## next in two tasks at once
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(b)
    except RuntimeError:
        log("refused")
    await join(a)
## close during next in another task
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(b)
    except RuntimeError:
        log("refused")
    await join(a)
    await close("it")
## next during close in another task
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def a():
    await close("it")
async def b():
    await next_of("it")
async def main():
    await next_of("it")
    spawn(a)
    spawn(b)
    try:
        await join(b)
    except RuntimeError:
        log("refused")
    await join(a)
    await next_of("it")
## close during close in another task
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def a():
    await close("it")
async def b():
    await close("it")
async def main():
    await next_of("it")
    spawn(a)
    spawn(b)
    try:
        await join(b)
    except RuntimeError:
        log("refused")
    await join(a)
## tasks take turns
# it = g
async def g():
    log("begin")
    try:
        yield 1
        yield 2
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await sleep(2)
    await next_of("it")
async def b():
    await sleep(1)
    await next_of("it")
    await sleep(2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await join(a)
    await join(b)
## the body awaits as part of whichever task asks
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
async def b():
    await next_of("it")
async def main():
    spawn(a)
    await join(a)
    spawn(b)
    await join(b)
    await next_of("it")
## the body asks itself for an item
# it = g
async def g():
    yield 1
    await next_of("it")
    yield 2
async def main():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        log("refused")
    await next_of("it")
## the body closes itself
# it = g
async def g():
    yield 1
    await close("it")
    yield 2
async def main():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        log("refused")
    await next_of("it")
## wait_for around next, in time
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    await wait_for(next_of("it"), 2)
    await wait_for(next_of("it"), 2)
    await close("it")
## wait_for around next, too late: the iterator has ended
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    try:
        await wait_for(next_of("it"), 0)
    except TimeoutError:
        log("late")
    await next_of("it")
## wait_for around next, too late in the middle
# it = g
async def g():
    try:
        await sleep(1)
        yield 1
        await sleep(5)
        yield 2
    finally:
        log("closed")
async def main():
    await wait_for(next_of("it"), 2)
    try:
        await wait_for(next_of("it"), 2)
    except TimeoutError:
        log("late")
    await next_of("it")
## wait_for around next, and a body that survives
# it = g
async def g():
    for _ in range(4):
        try:
            await sleep(3)
        except CancelledError:
            log("survives")
        yield 1
async def main():
    await wait_for(next_of("it"), 1)
    await wait_for(next_of("it"), 4)
    await close("it")
## wait_for around close
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def main():
    await next_of("it")
    try:
        await wait_for(close("it"), 1)
    except TimeoutError:
        log("late")
    await next_of("it")
## timeout around async for
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    try:
        async with timeout(2):
            async for x in it:
                log(x)
                await sleep(3)
    except TimeoutError:
        log("late")
    await next_of("it")
    await close("it")
## timeout around an item
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    try:
        async with timeout(1):
            await next_of("it")
            await next_of("it")
    except TimeoutError:
        log("late")
    await next_of("it")
## a timeout in the body of the generator
# it = g
async def g():
    try:
        async with timeout(1):
            await sleep(5)
    except TimeoutError:
        log("late")
    yield 1
async def main():
    await next_of("it")
    await next_of("it")
## a timeout in the body, and a cancellation
# it = g
async def g():
    try:
        async with timeout(3):
            await sleep(5)
    finally:
        log("closed")
    yield 1
async def a():
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## nested, to the end
# it = outer
# it2 = inner
async def inner():
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
    finally:
        log("inner closed")
async def outer():
    try:
        async for x in it2:
            yield x
    finally:
        log("outer closed")
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
## nested, the outer one closed
# it = outer
# it2 = inner
async def inner():
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
    finally:
        log("inner closed")
async def outer():
    try:
        async for x in it2:
            yield x
    finally:
        log("outer closed")
async def main():
    await next_of("it")
    await close("it")
    await next_of("it2")
    await close("it2")
## nested in aclosing, the outer one closed
# it = outer
# it2 = inner
async def inner():
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
    finally:
        log("inner closed")
async def outer():
    try:
        async with aclosing(it2):
            async for x in it2:
                yield x
    finally:
        log("outer closed")
async def main():
    await next_of("it")
    await close("it")
    await next_of("it2")
## nested, cancelled
# it = outer
# it2 = inner
async def inner():
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
    finally:
        log("inner closed")
async def outer():
    try:
        async with aclosing(it2):
            async for x in it2:
                yield x
    finally:
        log("outer closed")
async def a():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
    await next_of("it2")
## nested, cancelled at the second item
# it = outer
# it2 = inner
async def inner():
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
    finally:
        log("inner closed")
async def outer():
    try:
        async with aclosing(it2):
            async for x in it2:
                yield x
    finally:
        log("outer closed")
async def a():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(1)
    await sleep(0)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except CancelledError:
        log("cancelled")
    await next_of("it")
    await next_of("it2")
## nested, an error of the inner one
# it = outer
# it2 = inner
async def inner():
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        raise Err("x")
    finally:
        log("inner closed")
async def outer():
    try:
        async for x in it2:
            yield x
    finally:
        log("outer closed")
async def main():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("caught")
    await next_of("it")
## nested, the inner one closed by another task
# it = outer
# it2 = inner
async def inner():
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
    finally:
        log("inner closed")
async def outer():
    try:
        async with aclosing(it2):
            async for x in it2:
                yield x
    finally:
        log("outer closed")
async def a():
    await next_of("it")
    await sleep(1)
    await next_of("it")
async def b():
    await sleep(1)
    await sleep(0)
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    await join(b)
    await join(a)
## two iterators of one task
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 1
    await sleep(1)
    yield 2
async def h():
    yield 10
    await sleep(3)
    yield 20
async def main():
    await next_of("it")
    await next_of("it2")
    await next_of("it")
    await next_of("it2")
    await next_of("it")
    await next_of("it2")
## a generator that starts a task
# it = g
async def a():
    log("a runs")
async def g():
    spawn(a)
    yield 1
    await join(a)
    yield 2
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
## a generator that is cancelled by its own task
# it = g
async def a():
    await sleep(1)
    cancel(b)
async def g():
    spawn(a)
    await sleep(5)
    yield 1
async def b():
    await next_of("it")
async def main():
    spawn(b)
    try:
        await join(b)
    except CancelledError:
        log("cancelled")
    await next_of("it")
## left open: it is closed at the end
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def main():
    await next_of("it")
    log("main ends")
## left open by an error of main
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def main():
    await next_of("it")
    raise Err("main")
## left open by a cancelled task
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await sleep(9)
async def main():
    spawn(a)
    await sleep(2)
    cancel(a)
    log("main ends")
## in the middle of an item when main ends
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def a():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    await sleep(0)
    log("main ends")
## not begun: nothing happens at the end
# it = g
async def g():
    log("begin")
    try:
        await sleep(1)
        yield 1
        await sleep(1)
        yield 2
        await sleep(1)
        yield 3
    finally:
        log("closed")
async def main():
    log("main ends")
## left open: an await in the clean-up at the end
# it = g
async def g():
    try:
        yield 1
        log("resumed")
        yield 2
    finally:
        log("closing")
        await sleep(2)
        log("closed")
async def a():
    await next_of("it")
async def main():
    spawn(a)
    await join(a)
    log("main ends")
## a body that ignores the exit
# it = g
async def g():
    try:
        yield 1
    except GeneratorExit:
        log("ignored")
    yield 2
    yield 3
async def main():
    await next_of("it")
    try:
        await close("it")
    except RuntimeError:
        log("refused")
    await next_of("it")
    await close("it")
## an error of the clean-up in close
# it = g
async def g():
    try:
        yield 1
    finally:
        raise Err("x")
async def main():
    await next_of("it")
    try:
        await close("it")
    except Err:
        log("caught")
    await next_of("it")
## a timeout around a yield, the consumer is interrupted
# it = g
async def g():
    async with timeout(2):
        yield 1
        await sleep(1)
        yield 2
async def main():
    await next_of("it")
    try:
        await sleep(5)
    except CancelledError:
        log("interrupted")
    try:
        await next_of("it")
    except TimeoutError:
        log("late")
## a timeout around a yield, in time
# it = g
async def g():
    async with timeout(3):
        yield 1
        await sleep(1)
        yield 2
    yield 3
async def main():
    await next_of("it")
    await next_of("it")
    await next_of("it")
    await next_of("it")
## a timeout around a yield, left by another task
# it = g
async def g():
    async with timeout(9):
        yield 1
    yield 2
async def a():
    await next_of("it")
async def b():
    await next_of("it")
async def main():
    spawn(a)
    await join(a)
    spawn(b)
    await join(b)
    await next_of("it")
