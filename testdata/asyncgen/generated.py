## 200358
# it = g
# it2 = h
async def g():
    log("c")
    await sleep(1)
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
    await sleep(1)
    async with aclosing(it2):
        async with aclosing(it2):
            await next_of("it")
            log("step")
        await next_of("it")
    await next_of("it")
async def b():
    await next_of("it")
    try:
        await sleep(1)
    except CancelledError:
        log("v")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 200389
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except Err:
        log("w")
    await wait_for(next_of("it2"), 2)
async def b():
    await next_of("it")
    await next_of("it2")
    await next_of("it")
    try:
        await close("it2")
    except BaseException:
        await sleep(2)
    try:
        await sleep(2)
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 200417
# it = g
# it2 = h
async def g():
    log("b")
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
    await wait_for(next_of("it2"), 2)
    try:
        await next_of("it2")
    except BaseException:
        await sleep(2)
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except BaseException:
        log("u")
    try:
        await close("it")
    except Err:
        raise Err("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 200591
# it = g
# it2 = h
async def g():
    await sleep(3)
    yield 0
async def h():
    for _ in range(2):
        yield 1
        await sleep(1)
    await sleep(1)
    await sleep(0)
    yield 0
async def a():
    await next_of("it")
    await next_of("it")
    await sleep(1)
    log("step")
    try:
        await wait_for(next_of("it"), 3)
    except BaseException:
        log("v")
async def b():
    try:
        async for x in it2:
            log(x)
            log("step")
            break
    except Err:
        raise Err("w")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 201033
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 1
    log("e")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
async def a():
    async for x in it:
        log(x)
    async with timeout(3):
        await next_of("it")
        await next_of("it")
        await next_of("it")
async def b():
    try:
        await sleep(0)
    except Err:
        await sleep(2)
    try:
        await wait_for(next_of("it"), 3)
    except BaseException:
        await sleep(2)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 201125
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    for _ in range(2):
        log("b")
    yield 2
    yield 3
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        log("w")
    await sleep(0)
async def b():
    try:
        await next_of("it")
    except Err:
        log("v")
    await wait_for(next_of("it"), 1)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 201169
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(1)
    await sleep(3)
    yield 0
async def h():
    await sleep(3)
    yield 0
async def a():
    try:
        await next_of("it")
        async with aclosing(it):
            log("step")
        await next_of("it2")
    except CancelledError:
        log("v")
        raise
    try:
        await next_of("it")
    except Err:
        log("u")
async def b():
    try:
        await wait_for(next_of("it"), 3)
    except BaseException:
        await sleep(0)
    await wait_for(next_of("it"), 3)
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 201539
# it = g
# it2 = h
async def g():
    yield 1
    log("e")
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        log("w")
    await next_of("it")
    async with timeout(1):
        await next_of("it2")
        await next_of("it")
    await wait_for(next_of("it2"), 2)
async def b():
    await sleep(1)
    await next_of("it2")
    try:
        await sleep(0)
    except TimeoutError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 201810
# it = g
# it2 = h
async def g():
    log("f")
    yield 1
    await sleep(1)
    yield 2
    log("b")
    log("c")
    yield 0
async def h():
    yield 3
    await sleep(3)
    yield 0
async def a():
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(0)
    try:
        await wait_for(next_of("it"), 2)
    except TimeoutError:
        await sleep(1)
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
    try:
        await sleep(0)
    except BaseException:
        log("w")
    async with aclosing(it):
        await close("it2")
        await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 201919
# it = g
# it2 = h
async def g():
    log("f")
    yield 1
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(1)
async def a():
    await next_of("it")
    await next_of("it")
    await wait_for(next_of("it"), 1)
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("u")
    try:
        await close("it2")
    except RuntimeError:
        await sleep(1)
    await next_of("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 201976
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(0)
    yield 0
async def h():
    yield 1
    yield 2
    await sleep(1)
    await sleep(0)
    yield 0
async def a():
    try:
        async with timeout(3):
            await close("it")
    except TimeoutError:
        await sleep(1)
    try:
        await next_of("it")
    except CancelledError:
        log("u")
async def b():
    try:
        async with timeout(1):
            log("step")
    except CancelledError:
        await sleep(1)
    try:
        async for x in it2:
            log(x)
            await next_of("it")
    except RuntimeError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 202243
# it = g
# it2 = h
async def g():
    yield 1
    log("f")
    yield 2
    yield 3
    for _ in range(2):
        yield 4
        await sleep(3)
    yield 0
async def h():
    await sleep(2)
    await sleep(3)
    yield 5
    await sleep(0)
    log("c")
    yield 0
async def a():
    try:
        await next_of("it")
    except BaseException:
        await sleep(2)
    async with aclosing(it2):
        await close("it")
        async with aclosing(it):
            log("step")
    await next_of("it2")
async def b():
    async with aclosing(it2):
        async with timeout(2):
            log("step")
        await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 202246
# it = g
# it2 = h
async def g():
    await sleep(0)
    for _ in range(3):
        for _ in range(3):
            yield 1
        yield 2
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    try:
        async with aclosing(it):
            await next_of("it2")
            log("step")
    except Err:
        raise Err("v")
    await next_of("it2")
async def b():
    async for x in it:
        log(x)
        async for x in it:
            log(x)
            await next_of("it")
        break
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 202248
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
    await next_of("it")
async def b():
    try:
        async with aclosing(it):
            await next_of("it")
            await wait_for(next_of("it"), 3)
    except RuntimeError:
        log("w")
    await sleep(0)
    try:
        await next_of("it")
    except RuntimeError:
        log("w")
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 202308
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("u")
async def a():
    await next_of("it2")
    async for x in it2:
        log(x)
        try:
            log("step")
        except RuntimeError:
            await sleep(0)
            raise
async def b():
    async for x in it:
        log(x)
    try:
        async for x in it:
            log(x)
            break
    except CancelledError:
        log("w")
    try:
        await next_of("it2")
    except RuntimeError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 202370
# it = g
# it2 = h
async def g():
    await sleep(2)
    raise Err("z")
    await sleep(1)
    await sleep(1)
    yield 0
async def h():
    yield 1
    yield 0
async def a():
    async with aclosing(it):
        await next_of("it2")
    async with aclosing(it):
        await next_of("it")
        async with aclosing(it2):
            log("step")
            await next_of("it")
async def b():
    await close("it")
    try:
        await close("it2")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 202473
# it = g
# it2 = h
async def g():
    log("f")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await next_of("it2")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
async def b():
    async with aclosing(it):
        await next_of("it")
        await next_of("it2")
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(1)
    try:
        async with timeout(3):
            log("step")
            await close("it2")
            log("step")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 202777
# it = g
# it2 = h
async def g():
    return
    await sleep(3)
    await sleep(0)
    yield 0
async def h():
    log("e")
    yield 1
    yield 2
    yield 0
async def a():
    await close("it")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    try:
        await next_of("it")
    except RuntimeError:
        log("w")
    async with aclosing(it):
        await sleep(1)
    await next_of("it2")
async def b():
    try:
        await sleep(2)
    except RuntimeError:
        await sleep(2)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 202872
# it = g
# it2 = h
async def g():
    await sleep(0)
    for _ in range(2):
        log("c")
    await sleep(0)
    yield 0
async def h():
    yield 1
    await sleep(2)
    yield 0
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    try:
        await wait_for(next_of("it"), 3)
    except BaseException:
        log("u")
async def b():
    await close("it2")
    try:
        await next_of("it2")
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 202911
# it = g
# it2 = h
async def g():
    yield 1
    try:
        await sleep(1)
    finally:
        log("u")
        log("v")
    log("e")
    for _ in range(2):
        await sleep(2)
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    try:
        await next_of("it2")
    except Err:
        log("w")
    await next_of("it")
async def b():
    await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 202964
# it = g
# it2 = h
async def g():
    await sleep(1)
    log("c")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        await sleep(2)
async def a():
    try:
        await close("it")
    except Err:
        log("v")
    try:
        await next_of("it2")
    except BaseException:
        log("w")
    await close("it")
async def b():
    await next_of("it")
    try:
        async with timeout(1):
            await wait_for(next_of("it2"), 3)
            await close("it")
            await next_of("it")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 203006
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    yield 1
    await sleep(0)
    await sleep(1)
    await sleep(2)
    yield 0
async def a():
    log("step")
    async with timeout(1):
        await next_of("it")
        await next_of("it")
async def b():
    try:
        await wait_for(next_of("it"), 2)
    except BaseException:
        log("v")
    try:
        await sleep(0)
    except Err:
        await sleep(2)
    try:
        await next_of("it")
    except BaseException:
        log("u")
    try:
        log("step")
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 203054
# it = g
# it2 = h
async def g():
    raise Err("z")
    yield 0
async def h():
    await sleep(1)
    log("c")
    await sleep(3)
    await sleep(3)
    yield 0
async def a():
    await close("it2")
    try:
        await close("it")
    except Err:
        await sleep(0)
async def b():
    try:
        async with timeout(1):
            log("step")
            log("step")
    except TimeoutError:
        log("u")
    await next_of("it2")
    await sleep(2)
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 203243
# it = g
# it2 = h
async def g():
    log("e")
    yield 1
    yield 2
    await sleep(0)
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await wait_for(next_of("it"), 1)
    await sleep(0)
    try:
        await wait_for(next_of("it2"), 3)
    except TimeoutError:
        await sleep(2)
async def b():
    async for x in it:
        log(x)
        break
    try:
        await next_of("it2")
    except Err:
        log("u")
    try:
        await next_of("it")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 203293
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 1
    return
    yield 2
    await sleep(3)
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    log("step")
    async for x in it2:
        log(x)
        async with aclosing(it2):
            await next_of("it2")
        break
    await next_of("it2")
async def b():
    try:
        await wait_for(next_of("it"), 1)
    except Err:
        raise Err("u")
    await close("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(1)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 203332
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("a")
    log("c")
    yield 3
    yield 4
    yield 0
async def h():
    log("a")
    await sleep(0)
    await sleep(1)
    await sleep(2)
    yield 0
async def a():
    await sleep(2)
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
async def b():
    async for x in it:
        log(x)
        await next_of("it")
    try:
        await wait_for(next_of("it2"), 1)
    except TimeoutError:
        await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 203736
# it = g
# it2 = h
async def g():
    log("a")
    yield 0
async def h():
    log("f")
    for _ in range(3):
        yield 1
        await sleep(0)
        yield 2
    try:
        await sleep(1)
        await sleep(2)
    finally:
        await sleep(2)
    yield 3
    yield 4
    yield 0
async def a():
    try:
        await next_of("it")
    except Err:
        raise Err("w")
    await next_of("it")
    await next_of("it2")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    await wait_for(next_of("it"), 3)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 203913
# it = g
# it2 = h
async def g():
    log("c")
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    try:
        async for x in it:
            log(x)
            break
    except Err:
        await sleep(0)
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    try:
        async with timeout(1):
            await next_of("it2")
            await next_of("it")
            log("step")
    except BaseException:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 203947
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        log("w")
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
    try:
        await close("it")
    except BaseException:
        log("w")
async def b():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 204064
# it = g
# it2 = h
async def g():
    yield 1
    log("c")
    yield 2
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    async with aclosing(it):
        await sleep(1)
    try:
        await wait_for(next_of("it"), 2)
    except Err:
        await sleep(0)
    await next_of("it")
    await next_of("it")
    await sleep(1)
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
    try:
        async for x in it2:
            log(x)
            await next_of("it")
            break
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 204090
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        yield 2
    finally:
        await sleep(0)
    yield 0
async def a():
    await next_of("it")
    try:
        async with timeout(3):
            await next_of("it2")
            await next_of("it")
            log("step")
    except TimeoutError:
        log("v")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
    try:
        await next_of("it2")
    except CancelledError:
        log("v")
    try:
        await next_of("it")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 204200
# it = g
# it2 = h
async def g():
    for _ in range(2):
        log("d")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await wait_for(next_of("it"), 2)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(0)
    await wait_for(next_of("it2"), 2)
    await wait_for(next_of("it2"), 2)
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 204213
# it = g
# it2 = h
async def g():
    log("a")
    try:
        await sleep(1)
    except CancelledError:
        await sleep(2)
        raise
    yield 0
async def h():
    return
    yield 0
async def a():
    try:
        await sleep(0)
    except Err:
        log("u")
    log("step")
    try:
        async with aclosing(it):
            log("step")
            log("step")
    except BaseException:
        log("u")
async def b():
    try:
        async with aclosing(it):
            await next_of("it")
            await next_of("it2")
    except RuntimeError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 204433
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(1)
    yield 1
    yield 0
async def h():
    await sleep(0)
    yield 2
    yield 3
    yield 0
async def a():
    await next_of("it")
    await next_of("it2")
    await next_of("it")
    try:
        try:
            await next_of("it")
            log("step")
            log("step")
        except TimeoutError:
            await sleep(1)
            pass
    except RuntimeError:
        await sleep(2)
async def b():
    await next_of("it")
    try:
        async for x in it2:
            log(x)
    except TimeoutError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 204551
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(2)
    await sleep(0)
    yield 0
async def h():
    await sleep(0)
    yield 3
    await sleep(2)
    yield 0
async def a():
    try:
        await close("it")
    except BaseException:
        await sleep(0)
    async with aclosing(it2):
        await sleep(2)
    await wait_for(next_of("it"), 2)
async def b():
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    try:
        async with timeout(3):
            log("step")
            log("step")
            log("step")
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 204677
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    yield 0
async def h():
    for _ in range(2):
        log("f")
    yield 0
async def a():
    try:
        log("step")
    except Err:
        await sleep(0)
    await next_of("it")
async def b():
    await next_of("it")
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    try:
        async with aclosing(it2):
            await next_of("it2")
            await sleep(1)
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 204901
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        await next_of("it2")
        async for x in it2:
            log(x)
        async with aclosing(it2):
            log("step")
            await next_of("it")
    except Err:
        await sleep(0)
        pass
    await sleep(1)
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("u")
    try:
        await next_of("it")
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 205030
# it = g
# it2 = h
async def g():
    yield 1
    log("d")
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("u")
async def a():
    await next_of("it2")
    async for x in it:
        log(x)
    async with timeout(3):
        async with aclosing(it):
            await wait_for(next_of("it2"), 3)
    try:
        await sleep(2)
    except Err:
        log("v")
async def b():
    async with aclosing(it):
        await close("it2")
    async for x in it:
        log(x)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 205064
# it = g
# it2 = h
async def g():
    try:
        await sleep(1)
    finally:
        log("w")
        log("w")
    yield 1
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("v")
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except BaseException:
        log("u")
    async for x in it2:
        log(x)
        await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 205083
# it = g
# it2 = h
async def g():
    log("d")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("w")
async def a():
    await next_of("it")
    await close("it")
    try:
        async with aclosing(it):
            log("step")
            await next_of("it")
    except BaseException:
        log("v")
    await next_of("it")
    async for x in it:
        log(x)
        break
async def b():
    try:
        async for x in it:
            log(x)
            await next_of("it")
            break
    except RuntimeError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 205170
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(1)
async def a():
    async for x in it:
        log(x)
        await sleep(2)
    await next_of("it")
    await next_of("it")
async def b():
    await wait_for(next_of("it"), 3)
    try:
        log("step")
    except Err:
        log("v")
    await close("it")
    await next_of("it2")
    async with aclosing(it):
        await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 205262
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(0)
    await sleep(3)
    log("b")
    log("b")
    log("c")
    yield 0
async def h():
    for _ in range(3):
        yield 1
        yield 2
        await sleep(0)
    await sleep(0)
    log("d")
    yield 3
    await sleep(3)
    yield 0
async def a():
    try:
        await next_of("it2")
    except CancelledError:
        log("v")
    await next_of("it")
    await sleep(2)
    await next_of("it2")
async def b():
    await next_of("it")
    await sleep(2)
    await next_of("it")
    await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 205500
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await next_of("it")
    except Err:
        log("v")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    try:
        await close("it")
    except BaseException:
        raise Err("v")
async def b():
    try:
        await next_of("it2")
    except Err:
        await sleep(0)
    await next_of("it")
    async with aclosing(it2):
        await close("it2")
        await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 205517
# it = g
# it2 = h
async def g():
    for _ in range(3):
        log("e")
    yield 1
    yield 0
async def h():
    for _ in range(3):
        yield 2
        log("f")
    yield 0
async def a():
    try:
        async for x in it2:
            log(x)
            await wait_for(next_of("it"), 2)
    except Err:
        log("v")
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
    await next_of("it")
async def b():
    await next_of("it2")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 205708
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(2)
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
    try:
        await next_of("it2")
        await close("it")
    except CancelledError:
        await sleep(1)
        raise
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(1)
    await next_of("it")
async def b():
    async for x in it:
        log(x)
        await next_of("it")
        break
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 205733
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    await sleep(3)
    yield 3
    for _ in range(3):
        try:
            for _ in range(3):
                await sleep(0)
        finally:
            log("w")
    log("b")
    yield 4
    yield 0
async def a():
    async with aclosing(it):
        await next_of("it")
        async for x in it2:
            log(x)
    await next_of("it2")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("v")
    await wait_for(next_of("it"), 1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 205873
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    await sleep(1)
    await sleep(1)
    yield 0
async def a():
    try:
        async for x in it2:
            log(x)
            log("step")
    except Err:
        await sleep(2)
    try:
        await next_of("it2")
    except RuntimeError:
        log("v")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
async def b():
    try:
        await close("it")
    except CancelledError:
        log("w")
    async with aclosing(it):
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206026
# it = g
# it2 = h
async def g():
    yield 1
    raise Err("y")
    await sleep(1)
    yield 2
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        log("u")
async def a():
    await next_of("it2")
    await close("it")
    try:
        await next_of("it2")
    except Err:
        log("w")
async def b():
    try:
        await close("it")
    except TimeoutError:
        log("v")
    await sleep(1)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206027
# it = g
# it2 = h
async def g():
    raise Err("y")
    yield 1
    yield 0
async def h():
    yield 2
    for _ in range(3):
        log("f")
    await sleep(1)
    yield 0
async def a():
    try:
        await close("it")
    except Err:
        log("v")
    async with timeout(3):
        await next_of("it")
    try:
        await wait_for(next_of("it2"), 3)
    except CancelledError:
        log("u")
async def b():
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 206100
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("v")
async def a():
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(0)
    try:
        async for x in it2:
            log(x)
    except BaseException:
        log("w")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    await next_of("it")
async def b():
    async for x in it2:
        log(x)
    try:
        await next_of("it2")
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 206112
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        async for x in it2:
            log(x)
    except CancelledError:
        await sleep(2)
    try:
        log("step")
    except CancelledError:
        log("u")
async def b():
    log("step")
    try:
        async with timeout(3):
            log("step")
    except BaseException:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206253
# it = g
# it2 = h
async def g():
    for _ in range(2):
        yield 1
        await sleep(1)
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("u")
async def a():
    await next_of("it2")
    async for x in it2:
        log(x)
async def b():
    try:
        await next_of("it2")
    except BaseException:
        log("v")
    async for x in it2:
        log(x)
        await sleep(0)
        break
    try:
        await wait_for(next_of("it2"), 2)
    except RuntimeError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206257
# it = g
# it2 = h
async def g():
    yield 1
    try:
        log("c")
    finally:
        log("v")
    yield 2
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await wait_for(next_of("it"), 3)
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 206297
# it = g
# it2 = h
async def g():
    raise Err("y")
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        raise Err("v")
async def a():
    log("step")
    try:
        async for x in it2:
            log(x)
    except TimeoutError:
        log("v")
async def b():
    await next_of("it")
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206364
# it = g
# it2 = h
async def g():
    raise Err("z")
    yield 1
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        await next_of("it2")
    except RuntimeError:
        log("w")
        pass
    await next_of("it")
async def b():
    await next_of("it")
    log("step")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
    try:
        await close("it2")
    except Err:
        await sleep(2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206540
# it = g
# it2 = h
async def g():
    for _ in range(3):
        yield 1
        yield 2
    log("e")
    yield 3
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await next_of("it2")
    except CancelledError:
        log("v")
    await next_of("it")
async def b():
    await wait_for(next_of("it2"), 2)
    async with aclosing(it2):
        await sleep(0)
    async for x in it:
        log(x)
        await close("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206600
# it = g
# it2 = h
async def g():
    log("d")
    raise Err("x")
    try:
        log("f")
        log("f")
        log("d")
    finally:
        await sleep(1)
    yield 0
async def h():
    yield 1
    return
    yield 0
async def a():
    await next_of("it")
    try:
        await close("it2")
    except CancelledError:
        log("v")
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
    try:
        await wait_for(next_of("it"), 3)
        await next_of("it2")
        log("step")
    except CancelledError:
        await sleep(1)
        raise
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206658
# it = g
# it2 = h
async def g():
    yield 1
    for _ in range(2):
        yield 2
        yield 3
        await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    await next_of("it")
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        await sleep(0)
async def b():
    try:
        await close("it")
    except CancelledError:
        await sleep(0)
    await next_of("it2")
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206743
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    await wait_for(next_of("it"), 3)
    try:
        async for x in it:
            log(x)
    except RuntimeError:
        log("u")
    await next_of("it")
    try:
        await next_of("it2")
    except TimeoutError:
        log("v")
    await next_of("it2")
async def b():
    await next_of("it")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 206784
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        log("v")
async def a():
    async with timeout(2):
        await next_of("it")
        log("step")
        await wait_for(next_of("it"), 2)
    await wait_for(next_of("it"), 1)
    await wait_for(next_of("it"), 2)
    await next_of("it")
async def b():
    try:
        await wait_for(next_of("it"), 1)
    except BaseException:
        await sleep(0)
    try:
        await sleep(2)
    except CancelledError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 206785
# it = g
# it2 = h
async def g():
    try:
        await sleep(2)
    except Err:
        await sleep(2)
        await sleep(1)
        raise
    log("e")
    yield 0
async def h():
    await sleep(2)
    yield 1
    yield 0
async def a():
    async for x in it:
        log(x)
        await close("it2")
    log("step")
    try:
        await wait_for(next_of("it2"), 3)
    except CancelledError:
        await sleep(1)
async def b():
    await next_of("it")
    try:
        await next_of("it2")
    except BaseException:
        await sleep(1)
    await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207008
# it = g
# it2 = h
async def g():
    for _ in range(2):
        yield 1
        yield 2
    yield 0
async def h():
    try:
        await sleep(2)
    finally:
        await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(1)
async def b():
    try:
        async for x in it:
            log(x)
            await next_of("it")
    except Err:
        await sleep(0)
    await next_of("it")
    await close("it")
    try:
        await sleep(0)
    except RuntimeError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207040
# it = g
# it2 = h
async def g():
    for _ in range(3):
        yield 1
    yield 2
    for _ in range(2):
        yield 3
    yield 4
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        await sleep(1)
async def a():
    try:
        async for x in it:
            log(x)
    except BaseException:
        await sleep(2)
    try:
        await close("it2")
    except BaseException:
        log("v")
async def b():
    await next_of("it")
    try:
        await wait_for(next_of("it2"), 1)
    except Err:
        await sleep(1)
    await close("it2")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 207081
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except CancelledError:
        raise Err("w")
    await next_of("it2")
    try:
        await next_of("it")
    except Err:
        log("w")
async def b():
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    try:
        await close("it2")
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207205
# it = g
# it2 = h
async def g():
    await sleep(0)
    log("f")
    log("b")
    for _ in range(3):
        yield 1
        yield 2
        log("d")
    yield 3
    yield 4
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        log("u")
async def a():
    await next_of("it")
    async with aclosing(it):
        await next_of("it")
async def b():
    try:
        await wait_for(next_of("it"), 1)
    except RuntimeError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207380
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    log("b")
    yield 0
async def a():
    try:
        await sleep(1)
    except CancelledError:
        log("v")
    try:
        await next_of("it")
    except BaseException:
        log("v")
    await next_of("it")
    await sleep(0)
async def b():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
    try:
        await next_of("it2")
        async with timeout(1):
            await next_of("it")
    except CancelledError:
        log("v")
        pass
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207621
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await wait_for(next_of("it"), 1)
    try:
        async with aclosing(it2):
            log("step")
            log("step")
    except Err:
        log("w")
async def b():
    try:
        await next_of("it2")
    except Err:
        log("u")
    try:
        async with aclosing(it):
            await next_of("it")
            await next_of("it2")
    except RuntimeError:
        log("v")
    await wait_for(next_of("it2"), 1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207633
# it = g
# it2 = h
async def g():
    log("f")
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        async with timeout(3):
            log("step")
    except TimeoutError:
        log("u")
    try:
        await next_of("it")
    except Err:
        log("w")
        pass
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(0)
async def b():
    try:
        await next_of("it")
    except Err:
        await sleep(0)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207705
# it = g
# it2 = h
async def g():
    return
    yield 1
    await sleep(0)
    log("b")
    yield 2
    yield 0
async def h():
    for _ in range(2):
        break
        log("d")
        await sleep(0)
    await sleep(0)
    yield 3
    yield 4
    yield 0
async def a():
    await next_of("it2")
    await next_of("it2")
    async with timeout(3):
        await close("it")
        await next_of("it")
        await close("it")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207713
# it = g
# it2 = h
async def g():
    log("c")
    await sleep(1)
    yield 0
async def h():
    return
    yield 1
    await sleep(3)
    yield 0
async def a():
    try:
        async with timeout(1):
            log("step")
    except TimeoutError:
        await sleep(2)
    await next_of("it")
    await next_of("it")
    await next_of("it")
async def b():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207728
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    try:
        async with aclosing(it2):
            await next_of("it2")
    except BaseException:
        await sleep(2)
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
    try:
        async with aclosing(it):
            await wait_for(next_of("it"), 2)
            await wait_for(next_of("it2"), 2)
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 207796
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    try:
        yield 2
        yield 3
        yield 4
    finally:
        log("u")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
async def a():
    await next_of("it2")
    try:
        async for x in it:
            log(x)
    except Err:
        await sleep(2)
    await next_of("it2")
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        raise Err("v")
    await close("it2")
    try:
        await next_of("it")
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 207817
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    yield 1
    yield 2
    log("c")
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        await sleep(1)
    try:
        log("step")
    except TimeoutError:
        log("u")
    await next_of("it")
    await next_of("it")
async def b():
    await next_of("it2")
    try:
        async with timeout(3):
            log("step")
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 207870
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        async with aclosing(it):
            log("step")
    except BaseException:
        await sleep(1)
    await next_of("it2")
    async with aclosing(it):
        await next_of("it")
        async with aclosing(it2):
            log("step")
            await sleep(0)
async def b():
    await next_of("it")
    try:
        await wait_for(next_of("it"), 2)
    except CancelledError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 208011
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    yield 2
    yield 0
async def h():
    yield 3
    await sleep(1)
    for _ in range(2):
        await sleep(1)
        log("e")
    yield 0
async def a():
    try:
        async for x in it:
            log(x)
    except TimeoutError:
        log("v")
    async with timeout(1):
        async with timeout(2):
            log("step")
            log("step")
            await next_of("it")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 208085
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 1
    for _ in range(2):
        log("b")
    await sleep(1)
    yield 0
async def h():
    log("c")
    yield 2
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        log("v")
    await next_of("it")
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
async def b():
    try:
        await close("it2")
    except BaseException:
        await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 208098
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    yield 1
    yield 0
async def a():
    async for x in it:
        log(x)
        try:
            log("step")
            log("step")
            log("step")
        except RuntimeError:
            await sleep(0)
            raise
        break
    try:
        log("step")
    except BaseException:
        await sleep(1)
    await next_of("it2")
async def b():
    await sleep(0)
    await wait_for(next_of("it"), 3)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 208434
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(2)
    log("c")
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        await sleep(0)
async def a():
    await close("it2")
    log("step")
    await sleep(1)
    try:
        await next_of("it")
    except Err:
        await sleep(0)
async def b():
    try:
        await next_of("it2")
        await next_of("it2")
    except CancelledError:
        await sleep(2)
        pass
    await close("it2")
    async with timeout(1):
        log("step")
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 208567
# it = g
# it2 = h
async def g():
    for _ in range(3):
        log("d")
        yield 1
        break
    await sleep(2)
    await sleep(0)
    raise Err("x")
    yield 2
    yield 0
async def h():
    yield 3
    yield 4
    await sleep(1)
    await sleep(2)
    yield 5
    await sleep(0)
    yield 0
async def a():
    log("step")
    try:
        async with timeout(3):
            await next_of("it")
            log("step")
            await next_of("it")
    except Err:
        log("w")
    await wait_for(next_of("it"), 2)
    await close("it")
async def b():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 208789
# it = g
# it2 = h
async def g():
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("w")
async def a():
    try:
        async for x in it2:
            log(x)
            await close("it")
            break
    except BaseException:
        log("u")
    await next_of("it")
    try:
        async with aclosing(it):
            await next_of("it2")
    except Err:
        log("v")
async def b():
    try:
        await wait_for(next_of("it"), 2)
    except CancelledError:
        log("w")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 208822
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    async with aclosing(it):
        await close("it")
    async with aclosing(it2):
        await close("it2")
        await wait_for(next_of("it2"), 3)
    try:
        await sleep(0)
    except BaseException:
        await sleep(2)
async def b():
    await close("it2")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    try:
        await close("it")
    except TimeoutError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 208866
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    log("d")
    for _ in range(3):
        await sleep(0)
        yield 3
    await sleep(1)
    yield 0
async def a():
    try:
        await close("it2")
    except TimeoutError:
        await sleep(2)
    await next_of("it")
    await next_of("it")
async def b():
    try:
        async for x in it:
            log(x)
            log("step")
            break
    except Err:
        log("v")
    try:
        async with timeout(2):
            log("step")
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209215
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        raise Err("u")
async def a():
    await next_of("it2")
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        await sleep(1)
async def b():
    await next_of("it")
    await next_of("it2")
    try:
        await next_of("it2")
    except CancelledError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209269
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    yield 3
    yield 0
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    async with timeout(2):
        try:
            await next_of("it")
        except CancelledError:
            await sleep(1)
            pass
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("w")
    try:
        await next_of("it2")
    except Err:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209349
# it = g
# it2 = h
async def g():
    yield 1
    log("e")
    for _ in range(2):
        break
        await sleep(1)
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        log("u")
    try:
        await next_of("it2")
    except Err:
        log("w")
    await sleep(2)
    await next_of("it")
async def b():
    await next_of("it")
    try:
        await next_of("it2")
    except TimeoutError:
        log("u")
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209431
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    await sleep(0)
    yield 3
    await sleep(1)
    log("a")
    yield 4
    yield 0
async def a():
    await wait_for(next_of("it"), 3)
    await next_of("it2")
    async with timeout(3):
        async with aclosing(it):
            log("step")
            log("step")
        await next_of("it")
        await next_of("it")
    try:
        await close("it")
    except TimeoutError:
        await sleep(2)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209514
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    try:
        async for x in it2:
            log(x)
            await next_of("it")
            break
    except BaseException:
        await sleep(0)
    try:
        await next_of("it")
    except BaseException:
        log("v")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(2)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    await wait_for(next_of("it"), 3)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209606
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    await sleep(1)
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    try:
        async with aclosing(it):
            await next_of("it")
            log("step")
    except CancelledError:
        log("v")
    async with timeout(3):
        await next_of("it2")
        await close("it")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(0)
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 209657
# it = g
# it2 = h
async def g():
    for _ in range(3):
        log("d")
    await sleep(2)
    for _ in range(3):
        yield 1
        yield 2
        break
    yield 0
async def h():
    for _ in range(2):
        await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
async def b():
    try:
        async for x in it2:
            log(x)
            log("step")
            break
    except RuntimeError:
        await sleep(2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209818
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(0)
    await sleep(3)
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
async def b():
    await next_of("it")
    await sleep(2)
    await next_of("it2")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
    try:
        await wait_for(next_of("it"), 3)
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209821
# it = g
# it2 = h
async def g():
    log("b")
    log("f")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("u")
async def a():
    try:
        await close("it2")
    except CancelledError:
        log("w")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
async def b():
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209854
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("v")
async def a():
    try:
        await next_of("it")
    except Err:
        raise Err("u")
    try:
        log("step")
    except Err:
        log("w")
async def b():
    try:
        await wait_for(next_of("it"), 1)
    except BaseException:
        await sleep(0)
    try:
        try:
            await next_of("it")
        except Err:
            await sleep(1)
            pass
    except TimeoutError:
        await sleep(2)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 209906
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    log("f")
    yield 4
    yield 0
async def h():
    log("f")
    await sleep(3)
    await sleep(2)
    await sleep(1)
    yield 5
    yield 0
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except BaseException:
        log("u")
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
    await next_of("it")
    await next_of("it2")
    try:
        await next_of("it")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 209910
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    yield 0
async def h():
    yield 2
    for _ in range(3):
        log("b")
    await sleep(1)
    yield 0
async def a():
    try:
        await wait_for(next_of("it"), 2)
    except TimeoutError:
        await sleep(0)
    await wait_for(next_of("it2"), 2)
async def b():
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 210004
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await next_of("it")
    except BaseException:
        await sleep(2)
    await next_of("it")
    try:
        await wait_for(next_of("it"), 1)
    except TimeoutError:
        await sleep(1)
    await next_of("it2")
async def b():
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    try:
        log("step")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210070
# it = g
# it2 = h
async def g():
    await sleep(3)
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("w")
async def a():
    await sleep(1)
    await next_of("it")
async def b():
    try:
        await close("it")
    except BaseException:
        log("v")
    await next_of("it2")
    try:
        await close("it2")
    except TimeoutError:
        log("u")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210086
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("u")
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
async def b():
    await next_of("it2")
    await wait_for(next_of("it2"), 1)
    try:
        await next_of("it")
    except Err:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 210188
# it = g
# it2 = h
async def g():
    try:
        yield 1
    finally:
        log("v")
    yield 0
async def h():
    yield 2
    yield 3
    for _ in range(3):
        yield 4
        yield 5
    yield 0
async def a():
    await sleep(0)
    await next_of("it")
    try:
        async with aclosing(it):
            await sleep(2)
            await next_of("it2")
    except CancelledError:
        await sleep(0)
async def b():
    log("step")
    await next_of("it")
    async for x in it:
        log(x)
        await next_of("it2")
    await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 210216
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    yield 0
async def h():
    yield 4
    await sleep(1)
    yield 0
async def a():
    try:
        try:
            await next_of("it2")
            await next_of("it")
            log("step")
        except CancelledError:
            log("u")
            pass
    except CancelledError:
        log("w")
    await wait_for(next_of("it"), 1)
async def b():
    log("step")
    try:
        await close("it")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210230
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    await sleep(1)
    try:
        async for x in it2:
            log(x)
            break
    except TimeoutError:
        await sleep(0)
async def b():
    try:
        try:
            log("step")
            log("step")
        except CancelledError:
            await sleep(1)
            raise
    except CancelledError:
        await sleep(0)
    await next_of("it")
    await close("it")
    await close("it")
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210300
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("u")
async def a():
    await next_of("it")
    log("step")
async def b():
    try:
        await next_of("it2")
    except CancelledError:
        log("u")
        raise
    try:
        async for x in it:
            log(x)
            log("step")
    except CancelledError:
        log("w")
    await next_of("it2")
    async for x in it:
        log(x)
        async for x in it:
            log(x)
            log("step")
        break
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210394
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    async with timeout(2):
        await sleep(0)
    try:
        await sleep(2)
    except CancelledError:
        log("w")
    await close("it2")
    await wait_for(next_of("it2"), 3)
    await next_of("it")
async def b():
    await next_of("it2")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(2)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210419
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    yield 2
    await sleep(1)
    log("b")
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    async for x in it2:
        log(x)
    async with timeout(3):
        await next_of("it")
        await next_of("it")
        await wait_for(next_of("it"), 2)
async def b():
    await sleep(0)
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210494
# it = g
# it2 = h
async def g():
    log("c")
    yield 0
async def h():
    log("b")
    yield 0
async def a():
    await next_of("it")
    await next_of("it")
    await sleep(0)
    async with aclosing(it2):
        await next_of("it2")
    try:
        async with timeout(2):
            await next_of("it2")
    except Err:
        await sleep(0)
async def b():
    try:
        await close("it")
    except CancelledError:
        log("w")
    async for x in it:
        log(x)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210562
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("u")
async def a():
    async with timeout(3):
        try:
            await next_of("it2")
        except RuntimeError:
            await sleep(1)
            pass
        await wait_for(next_of("it"), 2)
    await close("it")
    try:
        await next_of("it")
    except Err:
        log("w")
async def b():
    await sleep(1)
    try:
        async with aclosing(it2):
            await next_of("it")
    except Err:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210573
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    yield 2
    await sleep(1)
    log("d")
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    await sleep(2)
    async for x in it2:
        log(x)
        log("step")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 210719
# it = g
# it2 = h
async def g():
    await sleep(2)
    raise Err("z")
    yield 1
    yield 2
    yield 3
    yield 0
async def h():
    yield 4
    yield 0
async def a():
    try:
        async with aclosing(it2):
            await close("it")
            await next_of("it")
    except RuntimeError:
        log("w")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        log("w")
    await wait_for(next_of("it"), 3)
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(1)
    try:
        await next_of("it")
    except Err:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 210879
# it = g
# it2 = h
async def g():
    yield 1
    log("f")
    yield 2
    await sleep(0)
    await sleep(1)
    log("e")
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except Err:
        log("u")
    async with timeout(2):
        await next_of("it")
        await wait_for(next_of("it2"), 2)
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("u")
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 210880
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    yield 1
    yield 0
async def a():
    try:
        await next_of("it2")
    except TimeoutError:
        log("v")
    try:
        await next_of("it2")
    except CancelledError:
        log("u")
async def b():
    async with timeout(3):
        try:
            log("step")
            log("step")
        except CancelledError:
            await sleep(2)
            raise
        await next_of("it")
        await next_of("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210971
# it = g
# it2 = h
async def g():
    return
    log("a")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    await wait_for(next_of("it2"), 3)
    await next_of("it2")
    async for x in it2:
        log(x)
    await next_of("it2")
async def b():
    try:
        await next_of("it")
    except BaseException:
        await sleep(2)
    try:
        await sleep(1)
    except TimeoutError:
        log("w")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 210976
# it = g
# it2 = h
async def g():
    for _ in range(2):
        for _ in range(2):
            yield 1
    await sleep(0)
    await sleep(0)
    for _ in range(3):
        yield 2
    yield 0
async def h():
    yield 3
    yield 4
    yield 5
    yield 0
async def a():
    await wait_for(next_of("it2"), 2)
    await next_of("it")
    async with timeout(1):
        await next_of("it")
async def b():
    try:
        await next_of("it2")
    except BaseException:
        await sleep(0)
    await next_of("it")
    async for x in it:
        log(x)
        break
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211218
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(3)
    await sleep(1)
    log("a")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("u")
async def a():
    async for x in it:
        log(x)
    try:
        await close("it")
    except CancelledError:
        log("u")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    try:
        await next_of("it")
    except BaseException:
        log("w")
async def b():
    try:
        await sleep(2)
    except Err:
        await sleep(1)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 211279
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    await sleep(1)
    try:
        log("step")
    except RuntimeError:
        log("w")
async def b():
    async with aclosing(it2):
        async with aclosing(it2):
            log("step")
    try:
        await next_of("it2")
        await next_of("it")
        await next_of("it")
    except CancelledError:
        log("u")
        pass
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211288
# it = g
# it2 = h
async def g():
    yield 1
    log("a")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await wait_for(next_of("it"), 2)
    await next_of("it")
async def b():
    await next_of("it")
    try:
        async for x in it:
            log(x)
            break
    except RuntimeError:
        log("w")
    await next_of("it2")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211299
# it = g
# it2 = h
async def g():
    await sleep(0)
    raise Err("y")
    yield 0
async def h():
    for _ in range(3):
        continue
    yield 0
async def a():
    try:
        await sleep(0)
    except BaseException:
        log("u")
    try:
        await next_of("it")
    except Err:
        log("u")
async def b():
    try:
        async with timeout(1):
            await close("it")
            await next_of("it")
            log("step")
    except CancelledError:
        log("v")
    async with aclosing(it):
        await next_of("it")
        await next_of("it")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211413
# it = g
# it2 = h
async def g():
    log("a")
    log("f")
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("v")
async def a():
    await next_of("it2")
    await next_of("it")
async def b():
    try:
        await close("it")
    except BaseException:
        await sleep(1)
    try:
        await next_of("it")
    except RuntimeError:
        log("w")
    try:
        async with aclosing(it2):
            log("step")
    except BaseException:
        await sleep(1)
    try:
        await wait_for(next_of("it2"), 2)
    except TimeoutError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 211504
# it = g
# it2 = h
async def g():
    log("a")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    async for x in it2:
        log(x)
        await wait_for(next_of("it2"), 2)
    try:
        try:
            await wait_for(next_of("it"), 3)
        except CancelledError:
            await sleep(0)
            pass
    except TimeoutError:
        log("w")
async def b():
    try:
        async for x in it2:
            log(x)
            await next_of("it")
            break
    except TimeoutError:
        await sleep(1)
    await next_of("it")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 211615
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(3)
    yield 0
async def h():
    log("a")
    await sleep(1)
    yield 0
async def a():
    try:
        async for x in it:
            log(x)
            await next_of("it")
            break
    except CancelledError:
        log("w")
    await wait_for(next_of("it"), 3)
    await wait_for(next_of("it"), 3)
async def b():
    async with aclosing(it):
        async with timeout(2):
            await next_of("it")
            log("step")
    await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211714
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    yield 2
    yield 0
async def h():
    await sleep(3)
    yield 0
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("v")
    await wait_for(next_of("it2"), 2)
async def b():
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        log("u")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    try:
        await next_of("it")
    except BaseException:
        log("u")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211715
# it = g
# it2 = h
async def g():
    log("f")
    await sleep(0)
    yield 0
async def h():
    yield 1
    yield 0
async def a():
    try:
        await sleep(2)
    except RuntimeError:
        log("w")
    try:
        await next_of("it")
    except BaseException:
        raise Err("v")
    await next_of("it2")
    await sleep(1)
    try:
        await sleep(2)
    except TimeoutError:
        await sleep(0)
async def b():
    try:
        async with timeout(2):
            log("step")
            await next_of("it2")
            await next_of("it2")
    except RuntimeError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211761
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    await sleep(1)
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    await sleep(0)
    await next_of("it")
    try:
        await sleep(2)
    except CancelledError:
        raise Err("v")
async def b():
    try:
        async for x in it2:
            log(x)
    except TimeoutError:
        log("v")
    try:
        log("step")
    except TimeoutError:
        log("v")
    await next_of("it")
    try:
        await close("it2")
    except CancelledError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211768
# it = g
# it2 = h
async def g():
    log("f")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
async def a():
    await next_of("it")
    try:
        await next_of("it2")
    except TimeoutError:
        log("u")
    await next_of("it2")
    await next_of("it")
    await next_of("it")
async def b():
    async with timeout(3):
        await next_of("it2")
        await next_of("it2")
        log("step")
    await next_of("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211958
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        async with aclosing(it2):
            await wait_for(next_of("it2"), 1)
            log("step")
    except Err:
        await sleep(0)
    log("step")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    try:
        await sleep(0)
    except RuntimeError:
        log("w")
async def b():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 211996
# it = g
# it2 = h
async def g():
    log("e")
    log("a")
    yield 1
    yield 0
async def h():
    yield 2
    await sleep(0)
    await sleep(2)
    await sleep(0)
    yield 0
async def a():
    try:
        log("step")
    except RuntimeError:
        log("w")
    async for x in it:
        log(x)
        break
async def b():
    await next_of("it2")
    async for x in it2:
        log(x)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 212135
# it = g
# it2 = h
async def g():
    log("b")
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(0)
async def a():
    await next_of("it")
    try:
        log("step")
    except Err:
        await sleep(0)
async def b():
    try:
        async for x in it:
            log(x)
    except RuntimeError:
        await sleep(2)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 212194
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("u")
async def a():
    try:
        await sleep(0)
    except TimeoutError:
        log("w")
    try:
        log("step")
    except BaseException:
        await sleep(1)
    async with timeout(3):
        await next_of("it")
        try:
            log("step")
            await close("it")
        except RuntimeError:
            log("v")
            pass
async def b():
    await sleep(2)
    await wait_for(next_of("it2"), 1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 212257
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    await next_of("it")
    await next_of("it")
    try:
        async with aclosing(it):
            await wait_for(next_of("it"), 2)
    except TimeoutError:
        log("u")
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("v")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 212381
# it = g
# it2 = h
async def g():
    log("a")
    raise Err("z")
    yield 1
    yield 2
    log("d")
    yield 0
async def h():
    yield 3
    yield 4
    yield 0
async def a():
    try:
        await close("it")
    except TimeoutError:
        log("v")
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
    await next_of("it2")
    try:
        async with timeout(3):
            log("step")
            await next_of("it")
    except CancelledError:
        log("w")
async def b():
    await sleep(1)
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 212386
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("e")
    yield 0
async def h():
    await sleep(2)
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(0)
    try:
        await next_of("it2")
    except BaseException:
        log("w")
    async with timeout(1):
        log("step")
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
async def b():
    await next_of("it2")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 212564
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(1)
async def a():
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    async with timeout(1):
        async for x in it:
            log(x)
    try:
        log("step")
    except Err:
        log("w")
async def b():
    await next_of("it")
    try:
        await wait_for(next_of("it2"), 2)
    except RuntimeError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 212640
# it = g
# it2 = h
async def g():
    for _ in range(2):
        yield 1
    yield 2
    yield 0
async def h():
    log("a")
    yield 0
async def a():
    log("step")
    try:
        await next_of("it")
        await next_of("it2")
        await next_of("it2")
    except TimeoutError:
        log("v")
        pass
async def b():
    try:
        await sleep(2)
    except BaseException:
        await sleep(0)
    try:
        await next_of("it2")
    except BaseException:
        await sleep(0)
    try:
        await next_of("it")
    except BaseException:
        log("w")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 212875
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(2)
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except TimeoutError:
        log("u")
    await sleep(0)
    try:
        log("step")
    except Err:
        await sleep(0)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 212922
# it = g
# it2 = h
async def g():
    log("d")
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        log("u")
async def a():
    try:
        await sleep(2)
    except RuntimeError:
        log("u")
    async for x in it2:
        log(x)
    await wait_for(next_of("it"), 1)
async def b():
    async with timeout(3):
        await next_of("it2")
        await next_of("it2")
    try:
        async with timeout(1):
            log("step")
    except CancelledError:
        log("u")
    log("step")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 212973
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(2)
    log("f")
    log("d")
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
    await next_of("it2")
async def b():
    async with timeout(3):
        await next_of("it")
        async for x in it:
            log(x)
            log("step")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 212982
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await next_of("it")
    await sleep(2)
    await sleep(1)
async def b():
    await next_of("it2")
    try:
        await close("it2")
    except RuntimeError:
        await sleep(2)
    try:
        await close("it")
    except Err:
        await sleep(0)
    try:
        async with timeout(3):
            log("step")
            log("step")
    except RuntimeError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 213010
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    yield 1
    yield 2
    log("b")
    await sleep(2)
    yield 0
async def a():
    try:
        await close("it")
    except RuntimeError:
        log("v")
    await close("it")
async def b():
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    await next_of("it")
    try:
        try:
            log("step")
            log("step")
            log("step")
        except RuntimeError:
            await sleep(2)
            raise
    except TimeoutError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 213214
# it = g
# it2 = h
async def g():
    for _ in range(3):
        await sleep(1)
        await sleep(0)
    yield 0
async def h():
    await sleep(1)
    for _ in range(3):
        log("a")
    yield 0
async def a():
    await next_of("it2")
    await close("it")
    try:
        async with timeout(3):
            await close("it")
            await next_of("it2")
    except CancelledError:
        log("u")
    await sleep(2)
async def b():
    try:
        await next_of("it2")
    except RuntimeError:
        log("w")
    try:
        async with timeout(2):
            await next_of("it2")
            log("step")
    except TimeoutError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 213294
# it = g
# it2 = h
async def g():
    for _ in range(2):
        log("f")
    yield 0
async def h():
    yield 1
    await sleep(0)
    await sleep(1)
    try:
        await sleep(0)
    finally:
        log("v")
        log("v")
    yield 0
async def a():
    await next_of("it2")
    async with aclosing(it):
        try:
            await next_of("it")
            log("step")
            await next_of("it")
        except TimeoutError:
            await sleep(2)
            pass
async def b():
    try:
        await next_of("it")
    except CancelledError:
        raise Err("u")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 213369
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("d")
    await sleep(0)
    yield 0
async def a():
    await next_of("it2")
    async with timeout(1):
        await wait_for(next_of("it"), 1)
    await next_of("it2")
async def b():
    await next_of("it")
    await close("it")
    await next_of("it")
    await next_of("it2")
    async for x in it:
        log(x)
        break
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 213455
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("w")
async def a():
    await next_of("it")
    try:
        async with timeout(2):
            await next_of("it")
            await next_of("it2")
            await next_of("it2")
    except BaseException:
        log("w")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 213782
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("e")
    log("a")
    yield 2
    yield 0
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    await wait_for(next_of("it2"), 1)
async def b():
    try:
        await close("it")
    except CancelledError:
        await sleep(2)
    try:
        await close("it")
    except TimeoutError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 214079
# it = g
# it2 = h
async def g():
    yield 1
    log("d")
    yield 2
    await sleep(0)
    yield 3
    yield 0
async def h():
    yield 4
    yield 0
async def a():
    try:
        await next_of("it2")
    except Err:
        await sleep(1)
    try:
        await wait_for(next_of("it2"), 2)
    except TimeoutError:
        raise Err("w")
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await sleep(0)
    except BaseException:
        log("u")
    async with timeout(2):
        await next_of("it")
        await next_of("it")
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 214096
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        log("u")
async def a():
    await wait_for(next_of("it2"), 1)
    try:
        async with aclosing(it2):
            log("step")
            log("step")
    except TimeoutError:
        log("v")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except Err:
        log("u")
    try:
        await wait_for(next_of("it"), 3)
    except Err:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 214098
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        await close("it")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
async def b():
    await wait_for(next_of("it"), 1)
    try:
        async with timeout(3):
            log("step")
            await next_of("it2")
    except CancelledError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(0)
    cancel(a)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 214201
# it = g
# it2 = h
async def g():
    yield 1
    return
    return
    yield 2
    await sleep(1)
    await sleep(1)
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    await next_of("it")
    log("step")
async def b():
    try:
        async with timeout(2):
            await next_of("it2")
            log("step")
            await next_of("it")
    except Err:
        await sleep(0)
    await close("it")
    try:
        async with timeout(3):
            log("step")
            await next_of("it")
            await next_of("it2")
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 214234
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 1
    await sleep(1)
    yield 0
async def h():
    yield 2
    await sleep(1)
    yield 3
    yield 0
async def a():
    try:
        async for x in it2:
            log(x)
            log("step")
    except RuntimeError:
        log("u")
    try:
        log("step")
    except BaseException:
        await sleep(0)
async def b():
    try:
        async with aclosing(it2):
            await next_of("it")
    except CancelledError:
        log("v")
    try:
        await close("it")
    except BaseException:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 214241
# it = g
# it2 = h
async def g():
    yield 1
    try:
        log("a")
    except CancelledError:
        log("v")
        await sleep(0)
        raise
    yield 2
    raise Err("x")
    await sleep(1)
    yield 0
async def h():
    log("e")
    yield 3
    yield 0
async def a():
    await next_of("it")
    log("step")
async def b():
    await next_of("it")
    try:
        await next_of("it2")
    except Err:
        log("v")
    try:
        async with timeout(1):
            log("step")
            log("step")
    except CancelledError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 214284
# it = g
# it2 = h
async def g():
    yield 1
    raise Err("z")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await close("it")
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    try:
        await close("it2")
    except CancelledError:
        await sleep(1)
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    async with timeout(3):
        await next_of("it2")
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 214399
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await close("it")
    await next_of("it")
async def b():
    log("step")
    try:
        async with timeout(2):
            await next_of("it")
            await close("it2")
    except RuntimeError:
        await sleep(0)
    await close("it")
    try:
        await wait_for(next_of("it"), 1)
    except Err:
        await sleep(2)
    await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 214552
# it = g
# it2 = h
async def g():
    log("c")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        log("u")
async def a():
    await next_of("it")
    await sleep(1)
    await next_of("it")
    await next_of("it2")
async def b():
    await close("it")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 214743
# it = g
# it2 = h
async def g():
    for _ in range(2):
        yield 1
        continue
        yield 2
    await sleep(0)
    await sleep(1)
    await sleep(1)
    await sleep(1)
    yield 0
async def h():
    log("d")
    log("c")
    yield 0
async def a():
    await next_of("it")
    try:
        async with timeout(2):
            await next_of("it2")
    except RuntimeError:
        log("w")
    await wait_for(next_of("it"), 2)
async def b():
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 214770
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 1
    yield 0
async def h():
    await sleep(1)
    log("c")
    await sleep(0)
    yield 0
async def a():
    log("step")
    await wait_for(next_of("it"), 1)
    async with aclosing(it):
        await next_of("it")
        async with aclosing(it):
            await close("it2")
            log("step")
    await close("it")
async def b():
    await wait_for(next_of("it"), 2)
    async with timeout(2):
        async with timeout(3):
            log("step")
            await next_of("it2")
        await close("it")
    await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 215263
# it = g
# it2 = h
async def g():
    for _ in range(3):
        log("b")
    await sleep(0)
    yield 0
async def h():
    await sleep(1)
    yield 1
    yield 2
    yield 3
    yield 0
async def a():
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
async def b():
    try:
        await sleep(0)
    except CancelledError:
        log("v")
    try:
        await sleep(2)
        await close("it")
    except Err:
        log("w")
        raise
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 215265
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("u")
async def a():
    log("step")
    async for x in it:
        log(x)
        async with timeout(3):
            await next_of("it2")
        break
    await close("it2")
async def b():
    try:
        async with timeout(2):
            await next_of("it")
    except BaseException:
        await sleep(1)
    try:
        async with aclosing(it):
            log("step")
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215269
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("v")
async def a():
    await close("it")
    await next_of("it")
async def b():
    await next_of("it2")
    try:
        try:
            await next_of("it")
            log("step")
        except TimeoutError:
            await sleep(1)
            raise
    except CancelledError:
        log("w")
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 215333
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("v")
async def a():
    await wait_for(next_of("it2"), 3)
    try:
        await sleep(0)
    except BaseException:
        log("u")
    await next_of("it2")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215427
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    await next_of("it")
    try:
        await close("it")
    except BaseException:
        log("v")
    await next_of("it2")
    try:
        async with timeout(3):
            log("step")
    except CancelledError:
        log("v")
    try:
        async with timeout(1):
            log("step")
    except RuntimeError:
        await sleep(2)
async def b():
    await wait_for(next_of("it"), 3)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215517
# it = g
# it2 = h
async def g():
    log("a")
    yield 1
    raise Err("y")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        await wait_for(next_of("it"), 2)
    except Err:
        await sleep(0)
    try:
        await close("it")
    except Err:
        log("w")
async def b():
    await next_of("it2")
    try:
        await wait_for(next_of("it"), 1)
    except RuntimeError:
        log("u")
    try:
        await next_of("it")
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 215556
# it = g
# it2 = h
async def g():
    for _ in range(3):
        yield 1
    yield 2
    return
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("w")
async def a():
    try:
        await wait_for(next_of("it2"), 2)
    except CancelledError:
        await sleep(2)
    await next_of("it")
async def b():
    try:
        async for x in it:
            log(x)
            await wait_for(next_of("it"), 3)
            break
    except TimeoutError:
        await sleep(2)
    try:
        await next_of("it2")
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215576
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        yield 2
    finally:
        log("v")
    yield 0
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    async with aclosing(it2):
        await next_of("it")
        async with timeout(2):
            await next_of("it")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(0)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215751
# it = g
# it2 = h
async def g():
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        async for x in it:
            log(x)
    except BaseException:
        await sleep(1)
    try:
        await next_of("it")
    except BaseException:
        await sleep(1)
async def b():
    log("step")
    try:
        async with aclosing(it):
            log("step")
            await next_of("it2")
    except BaseException:
        await sleep(0)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 215873
# it = g
# it2 = h
async def g():
    await sleep(0)
    return
    yield 0
async def h():
    log("b")
    yield 1
    log("d")
    yield 2
    yield 0
async def a():
    await sleep(2)
    await sleep(0)
async def b():
    async with aclosing(it2):
        await next_of("it")
        await next_of("it")
    await wait_for(next_of("it2"), 1)
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    await wait_for(next_of("it2"), 2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215898
# it = g
# it2 = h
async def g():
    yield 1
    raise Err("z")
    for _ in range(3):
        yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        await sleep(1)
    except BaseException:
        log("u")
    await next_of("it")
    try:
        await sleep(0)
    except BaseException:
        await sleep(2)
    await close("it2")
async def b():
    async with timeout(2):
        await next_of("it")
        await next_of("it2")
    try:
        await next_of("it2")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215980
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 1
    log("c")
    log("c")
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        await sleep(2)
async def a():
    await next_of("it2")
    try:
        await next_of("it")
    except Err:
        log("u")
async def b():
    try:
        async with aclosing(it2):
            await next_of("it")
            log("step")
    except BaseException:
        log("u")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 215994
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await close("it")
    await next_of("it2")
    try:
        await close("it2")
    except TimeoutError:
        log("v")
    try:
        log("step")
    except BaseException:
        await sleep(1)
    log("step")
async def b():
    await close("it")
    await close("it")
    await sleep(2)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 216149
# it = g
# it2 = h
async def g():
    yield 1
    try:
        yield 2
    finally:
        await sleep(1)
        await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        await sleep(2)
async def a():
    await next_of("it")
    try:
        async with aclosing(it):
            log("step")
            log("step")
    except RuntimeError:
        log("w")
    await wait_for(next_of("it"), 1)
    await wait_for(next_of("it"), 1)
async def b():
    await next_of("it")
    await next_of("it2")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 216233
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    try:
        await next_of("it")
    except BaseException:
        log("w")
async def b():
    try:
        await next_of("it2")
    except BaseException:
        log("u")
    await next_of("it")
    async with timeout(1):
        await next_of("it2")
        await close("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 216365
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 1
    await sleep(0)
    yield 0
async def h():
    yield 2
    await sleep(3)
    log("f")
    yield 3
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    await next_of("it2")
async def b():
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(2)
    try:
        await next_of("it")
    except BaseException:
        log("u")
    await wait_for(next_of("it2"), 3)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 216397
# it = g
# it2 = h
async def g():
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    log("step")
    try:
        await sleep(1)
    except TimeoutError:
        log("w")
    try:
        try:
            await wait_for(next_of("it"), 1)
        except Err:
            await sleep(2)
            pass
    except TimeoutError:
        await sleep(1)
    await close("it2")
async def b():
    await close("it")
    await close("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 216409
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    yield 2
    await sleep(2)
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    async with timeout(2):
        await sleep(0)
    await close("it2")
    try:
        await sleep(2)
    except CancelledError:
        log("u")
async def b():
    await wait_for(next_of("it"), 2)
    try:
        async with timeout(1):
            await close("it")
            log("step")
            log("step")
    except BaseException:
        await sleep(2)
    try:
        log("step")
    except RuntimeError:
        raise Err("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 216492
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    yield 2
    yield 0
async def h():
    await sleep(2)
    yield 0
async def a():
    try:
        await next_of("it2")
    except TimeoutError:
        log("v")
    try:
        await next_of("it")
    except Err:
        log("v")
    async for x in it:
        log(x)
        await next_of("it2")
async def b():
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        log("u")
    try:
        await next_of("it2")
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 216525
# it = g
# it2 = h
async def g():
    await sleep(1)
    for _ in range(3):
        log("d")
    for _ in range(2):
        yield 1
        break
    await sleep(1)
    await sleep(3)
    try:
        await sleep(0)
    except CancelledError:
        log("v")
        raise
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        await sleep(1)
    log("step")
    await next_of("it")
async def b():
    await next_of("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 216546
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    yield 2
    for _ in range(3):
        log("a")
        yield 3
    yield 0
async def h():
    yield 4
    yield 0
async def a():
    try:
        await sleep(0)
    except BaseException:
        log("w")
    await wait_for(next_of("it2"), 2)
    await wait_for(next_of("it2"), 1)
async def b():
    try:
        async for x in it:
            log(x)
    except BaseException:
        log("v")
    try:
        await sleep(2)
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 216976
# it = g
# it2 = h
async def g():
    log("d")
    yield 1
    log("d")
    await sleep(3)
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
    try:
        await next_of("it")
    except CancelledError:
        log("u")
    await close("it2")
async def b():
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(2)
    try:
        await next_of("it")
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 217033
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    yield 3
    await sleep(2)
    yield 0
async def a():
    try:
        await sleep(0)
    except Err:
        log("w")
    try:
        await next_of("it")
    except BaseException:
        log("v")
    try:
        log("step")
    except TimeoutError:
        raise Err("v")
    await next_of("it2")
async def b():
    await next_of("it")
    log("step")
    await next_of("it")
    try:
        await sleep(0)
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 217042
# it = g
# it2 = h
async def g():
    yield 1
    try:
        raise Err("y")
    finally:
        log("u")
    yield 0
async def h():
    await sleep(1)
    log("b")
    yield 2
    yield 0
async def a():
    try:
        await wait_for(next_of("it2"), 3)
    except BaseException:
        log("u")
    try:
        async with aclosing(it):
            await next_of("it2")
    except TimeoutError:
        log("v")
async def b():
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
    await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 217167
# it = g
# it2 = h
async def g():
    yield 1
    for _ in range(2):
        yield 2
        log("e")
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        log("v")
async def a():
    await sleep(2)
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
    try:
        await close("it2")
    except TimeoutError:
        await sleep(1)
    try:
        log("step")
    except CancelledError:
        log("v")
async def b():
    await next_of("it2")
    log("step")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 217237
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(1)
    await sleep(0)
    yield 0
async def h():
    yield 3
    await sleep(1)
    log("c")
    yield 0
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
    await next_of("it")
    try:
        await next_of("it2")
    except Err:
        log("w")
async def b():
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    log("step")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 217255
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    try:
        yield 3
    finally:
        log("u")
        await sleep(0)
    yield 0
async def a():
    await next_of("it")
    try:
        await close("it")
    except TimeoutError:
        log("v")
    await next_of("it")
    await next_of("it")
async def b():
    await next_of("it2")
    try:
        async with timeout(2):
            log("step")
            await close("it")
            log("step")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 217285
# it = g
# it2 = h
async def g():
    log("c")
    yield 0
async def h():
    log("b")
    yield 1
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        log("w")
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
async def b():
    await next_of("it")
    try:
        async with timeout(2):
            log("step")
            await next_of("it")
            await next_of("it")
    except TimeoutError:
        await sleep(1)
    try:
        await wait_for(next_of("it"), 1)
    except CancelledError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 217288
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("w")
    try:
        async with timeout(3):
            await next_of("it2")
            await next_of("it")
            log("step")
    except CancelledError:
        log("u")
async def b():
    await next_of("it")
    await wait_for(next_of("it"), 3)
    try:
        try:
            log("step")
        except Err:
            log("u")
            pass
    except CancelledError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 217441
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
    try:
        await wait_for(next_of("it"), 1)
    except BaseException:
        await sleep(2)
async def b():
    try:
        async with timeout(1):
            log("step")
    except BaseException:
        await sleep(0)
    try:
        await next_of("it")
    except BaseException:
        log("w")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 217474
# it = g
# it2 = h
async def g():
    try:
        raise Err("z")
        log("c")
        await sleep(2)
    finally:
        log("w")
        log("v")
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    await next_of("it")
    try:
        async with timeout(1):
            log("step")
            await next_of("it")
    except TimeoutError:
        await sleep(0)
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await close("it")
    except Err:
        await sleep(2)
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 217824
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    try:
        yield 1
        yield 2
        log("b")
    finally:
        raise Err("u")
        await sleep(1)
    await sleep(0)
    yield 3
    yield 0
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    try:
        async with timeout(1):
            log("step")
            log("step")
    except CancelledError:
        await sleep(1)
    try:
        async with timeout(1):
            log("step")
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 217844
# it = g
# it2 = h
async def g():
    log("a")
    yield 1
    raise Err("y")
    await sleep(2)
    yield 0
async def h():
    await sleep(0)
    log("b")
    log("c")
    yield 0
async def a():
    await next_of("it2")
    await wait_for(next_of("it"), 2)
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("v")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 217884
# it = g
# it2 = h
async def g():
    log("e")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(0)
async def a():
    try:
        await next_of("it2")
    except CancelledError:
        log("v")
    await next_of("it2")
    try:
        await wait_for(next_of("it"), 2)
    except Err:
        await sleep(0)
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    async with aclosing(it):
        await next_of("it")
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 217962
# it = g
# it2 = h
async def g():
    try:
        yield 1
        yield 2
    finally:
        await sleep(0)
        await sleep(1)
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await next_of("it2")
    except Err:
        await sleep(2)
    async for x in it2:
        log(x)
        async with timeout(1):
            log("step")
            log("step")
            log("step")
async def b():
    await next_of("it")
    await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 217970
# it = g
# it2 = h
async def g():
    yield 1
    log("c")
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(2)
async def a():
    async with timeout(1):
        async with timeout(1):
            log("step")
            log("step")
    async for x in it:
        log(x)
        break
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    async with timeout(3):
        await next_of("it")
        await next_of("it2")
        await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 218224
# it = g
# it2 = h
async def g():
    for _ in range(2):
        await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("u")
async def a():
    await next_of("it2")
    await next_of("it2")
async def b():
    try:
        async for x in it2:
            log(x)
            await sleep(2)
    except BaseException:
        log("u")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(1)
    cancel(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 218407
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(1)
async def a():
    await next_of("it")
    try:
        async with aclosing(it):
            log("step")
    except Err:
        log("u")
async def b():
    await next_of("it")
    try:
        await next_of("it")
        await next_of("it")
    except TimeoutError:
        await sleep(1)
        pass
    try:
        async with aclosing(it):
            log("step")
    except Err:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 218497
# it = g
# it2 = h
async def g():
    log("c")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except Err:
        log("u")
    await next_of("it")
    await wait_for(next_of("it"), 2)
async def b():
    try:
        await close("it2")
    except CancelledError:
        log("u")
    try:
        await next_of("it")
    except Err:
        log("w")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 218541
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("c")
    await sleep(1)
    for _ in range(3):
        yield 2
    yield 0
async def a():
    await next_of("it2")
    try:
        await next_of("it")
    except BaseException:
        raise Err("u")
async def b():
    try:
        await next_of("it2")
    except RuntimeError:
        log("w")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    try:
        await next_of("it2")
    except BaseException:
        await sleep(2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 218585
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("f")
    await sleep(1)
    yield 0
async def h():
    yield 3
    log("b")
    yield 4
    yield 0
async def a():
    await next_of("it2")
    try:
        await next_of("it")
    except Err:
        await sleep(0)
    try:
        async for x in it2:
            log(x)
    except RuntimeError:
        log("v")
    await next_of("it")
async def b():
    try:
        await sleep(2)
    except TimeoutError:
        log("v")
    try:
        await close("it")
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 218618
# it = g
# it2 = h
async def g():
    return
    for _ in range(3):
        yield 1
    yield 2
    try:
        yield 3
    except CancelledError:
        log("u")
        log("w")
        raise
    yield 0
async def h():
    yield 4
    yield 5
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        log("w")
        pass
    await next_of("it")
async def b():
    try:
        await close("it")
        await next_of("it")
        await next_of("it")
    except CancelledError:
        log("v")
        pass
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 218671
# it = g
# it2 = h
async def g():
    await sleep(3)
    yield 1
    yield 0
async def h():
    yield 2
    try:
        for _ in range(3):
            log("c")
            log("f")
            yield 3
        log("e")
    except CancelledError:
        log("v")
        raise
    yield 4
    yield 0
async def a():
    async for x in it2:
        log(x)
    log("step")
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
async def b():
    async with timeout(3):
        async with timeout(2):
            log("step")
    await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 218808
# it = g
# it2 = h
async def g():
    log("b")
    log("c")
    yield 0
async def h():
    log("f")
    await sleep(1)
    yield 0
async def a():
    await sleep(2)
    try:
        async for x in it2:
            log(x)
            await next_of("it2")
            break
    except BaseException:
        log("u")
async def b():
    log("step")
    async with timeout(2):
        await next_of("it")
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 219126
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        log("w")
async def a():
    await wait_for(next_of("it2"), 3)
    try:
        await next_of("it2")
    except Err:
        log("w")
async def b():
    await next_of("it")
    try:
        async with timeout(2):
            await next_of("it")
            await close("it2")
    except CancelledError:
        await sleep(2)
    await close("it2")
    try:
        await wait_for(next_of("it"), 1)
    except CancelledError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 219197
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        raise Err("u")
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
    async for x in it2:
        log(x)
        await next_of("it")
async def b():
    await next_of("it2")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 219466
# it = g
# it2 = h
async def g():
    await sleep(3)
    return
    await sleep(0)
    for _ in range(3):
        yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(1)
async def a():
    await next_of("it")
    async with aclosing(it):
        log("step")
        await next_of("it2")
    await next_of("it")
    await sleep(2)
    await next_of("it2")
async def b():
    async with timeout(1):
        await wait_for(next_of("it2"), 2)
        await sleep(1)
    await next_of("it2")
    try:
        await next_of("it2")
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 219547
# it = g
# it2 = h
async def g():
    for _ in range(3):
        log("b")
        continue
        await sleep(3)
    yield 1
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    await next_of("it")
    await next_of("it2")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
async def b():
    try:
        await close("it")
    except Err:
        log("v")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 219674
# it = g
# it2 = h
async def g():
    try:
        log("f")
        yield 1
        await sleep(1)
    finally:
        log("u")
    log("d")
    for _ in range(3):
        yield 2
    await sleep(0)
    yield 0
async def h():
    await sleep(1)
    raise Err("z")
    yield 3
    yield 0
async def a():
    try:
        await wait_for(next_of("it"), 1)
    except RuntimeError:
        await sleep(0)
    try:
        await close("it2")
    except TimeoutError:
        log("v")
async def b():
    await wait_for(next_of("it"), 2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 219825
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
async def a():
    async with aclosing(it):
        await close("it")
        await next_of("it2")
    try:
        await sleep(1)
    except CancelledError:
        log("w")
    await close("it2")
    await close("it")
async def b():
    log("step")
    try:
        await next_of("it")
    except CancelledError:
        raise Err("v")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 219877
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("v")
async def a():
    await close("it")
    try:
        await sleep(0)
    except BaseException:
        log("w")
    await next_of("it")
async def b():
    await wait_for(next_of("it2"), 1)
    async with aclosing(it):
        await wait_for(next_of("it"), 2)
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220023
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("c")
    log("f")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(1)
async def a():
    await next_of("it")
    async for x in it2:
        log(x)
    log("step")
async def b():
    await next_of("it2")
    await next_of("it")
    await sleep(2)
    try:
        await next_of("it")
    except BaseException:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220125
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    yield 1
    yield 2
    log("c")
    yield 3
    yield 0
async def a():
    async for x in it2:
        log(x)
        await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        log("v")
async def b():
    async for x in it:
        log(x)
    async for x in it2:
        log(x)
        await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220185
# it = g
# it2 = h
async def g():
    log("e")
    yield 0
async def h():
    try:
        await sleep(2)
        await sleep(3)
    finally:
        log("v")
    for _ in range(3):
        log("a")
    yield 0
async def a():
    try:
        await next_of("it")
    except BaseException:
        await sleep(1)
    await next_of("it")
    try:
        await sleep(1)
    except BaseException:
        await sleep(0)
async def b():
    await sleep(2)
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(0)
    try:
        await next_of("it2")
    except RuntimeError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220220
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        log("step")
    except TimeoutError:
        log("w")
    await sleep(1)
    try:
        await next_of("it2")
    except BaseException:
        await sleep(0)
    try:
        log("step")
    except RuntimeError:
        log("v")
    await next_of("it2")
async def b():
    await close("it2")
    try:
        async with aclosing(it):
            log("step")
            await close("it")
    except Err:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220234
# it = g
# it2 = h
async def g():
    return
    await sleep(1)
    yield 0
async def h():
    return
    log("a")
    yield 0
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
    await close("it")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
async def b():
    try:
        await next_of("it2")
    except BaseException:
        log("v")
    async with aclosing(it):
        await next_of("it2")
        async with timeout(3):
            await wait_for(next_of("it2"), 1)
            await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220287
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 1
    yield 2
    await sleep(2)
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(0)
async def a():
    await wait_for(next_of("it"), 2)
    await next_of("it2")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    try:
        await next_of("it2")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220305
# it = g
# it2 = h
async def g():
    yield 1
    try:
        yield 2
    finally:
        log("v")
    yield 0
async def h():
    yield 3
    await sleep(1)
    yield 0
async def a():
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        log("u")
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(2)
async def b():
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    try:
        await next_of("it")
    except Err:
        await sleep(0)
    try:
        await next_of("it")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220378
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("v")
async def a():
    try:
        async for x in it:
            log(x)
            log("step")
    except RuntimeError:
        await sleep(0)
    async for x in it:
        log(x)
        await next_of("it2")
async def b():
    try:
        async for x in it:
            log(x)
            break
    except TimeoutError:
        await sleep(0)
    try:
        await sleep(1)
    except CancelledError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220381
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    await sleep(2)
    async with timeout(2):
        await close("it2")
        await sleep(0)
        await close("it2")
async def b():
    async with aclosing(it2):
        async with aclosing(it):
            log("step")
        try:
            await next_of("it")
            await wait_for(next_of("it"), 1)
        except CancelledError:
            await sleep(0)
            pass
    try:
        await wait_for(next_of("it"), 3)
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220426
# it = g
# it2 = h
async def g():
    log("a")
    yield 1
    log("a")
    yield 2
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        async for x in it:
            log(x)
            await next_of("it2")
    except RuntimeError:
        log("u")
    await close("it")
    await next_of("it")
    await next_of("it")
async def b():
    await sleep(1)
    await next_of("it")
    log("step")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220433
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    log("d")
    yield 0
async def a():
    try:
        await next_of("it")
    except Err:
        log("u")
    try:
        async with timeout(3):
            log("step")
            await next_of("it2")
            await wait_for(next_of("it2"), 2)
    except BaseException:
        await sleep(2)
    await sleep(1)
async def b():
    await close("it2")
    await next_of("it")
    async for x in it2:
        log(x)
        break
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220478
# it = g
# it2 = h
async def g():
    raise Err("x")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("u")
    try:
        async with timeout(2):
            await next_of("it")
            await next_of("it2")
            await next_of("it")
    except BaseException:
        log("v")
async def b():
    await next_of("it")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220500
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    yield 4
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("u")
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
    async with aclosing(it):
        async with aclosing(it):
            log("step")
            await close("it")
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(2)
async def b():
    await close("it")
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220549
# it = g
# it2 = h
async def g():
    log("f")
    yield 1
    yield 2
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        await close("it")
    except RuntimeError:
        await sleep(0)
    try:
        await next_of("it")
    except CancelledError:
        log("u")
    await next_of("it2")
    await next_of("it")
async def b():
    await next_of("it")
    await next_of("it")
    try:
        await sleep(2)
    except TimeoutError:
        log("w")
    await wait_for(next_of("it"), 3)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220569
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("a")
    yield 3
    yield 4
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    await close("it")
    await close("it")
    await sleep(1)
async def b():
    await wait_for(next_of("it"), 1)
    await next_of("it2")
    await close("it")
    try:
        await next_of("it")
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220670
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        async for x in it2:
            log(x)
            await sleep(1)
    except Err:
        log("w")
        pass
    await next_of("it")
    try:
        await wait_for(next_of("it"), 2)
    except BaseException:
        log("u")
async def b():
    try:
        await next_of("it2")
    except Err:
        await sleep(2)
    try:
        log("step")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220720
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("u")
async def a():
    await sleep(2)
    try:
        await next_of("it")
    except BaseException:
        await sleep(1)
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
    try:
        async with timeout(3):
            await next_of("it")
    except Err:
        await sleep(2)
    await next_of("it2")
    log("step")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220733
# it = g
# it2 = h
async def g():
    for _ in range(2):
        yield 1
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("v")
async def a():
    try:
        await close("it2")
    except TimeoutError:
        await sleep(0)
    await next_of("it")
    await close("it2")
async def b():
    try:
        await next_of("it2")
    except Err:
        log("u")
    await sleep(1)
    await next_of("it2")
    await wait_for(next_of("it"), 3)
    try:
        await next_of("it2")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 220869
# it = g
# it2 = h
async def g():
    try:
        await sleep(2)
        yield 1
    except CancelledError:
        log("v")
        pass
    yield 2
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(2)
async def a():
    await next_of("it")
    await next_of("it")
    async with aclosing(it):
        await close("it")
        await next_of("it2")
async def b():
    await wait_for(next_of("it2"), 2)
    await sleep(0)
    try:
        await close("it")
    except RuntimeError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220903
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 1
    yield 2
    yield 3
    yield 4
    yield 0
async def h():
    yield 5
    yield 0
async def a():
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
async def b():
    try:
        async with timeout(3):
            log("step")
    except Err:
        await sleep(2)
    try:
        async with timeout(3):
            log("step")
            await next_of("it")
            await close("it")
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 220985
# it = g
# it2 = h
async def g():
    log("f")
    log("a")
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        await sleep(2)
async def a():
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    try:
        await next_of("it")
    except CancelledError:
        log("v")
async def b():
    await next_of("it")
    async with aclosing(it2):
        await next_of("it2")
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 221230
# it = g
# it2 = h
async def g():
    log("c")
    log("e")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("w")
async def a():
    try:
        async with aclosing(it):
            log("step")
            await next_of("it")
    except BaseException:
        await sleep(1)
    async for x in it:
        log(x)
        await sleep(0)
    await next_of("it")
async def b():
    await wait_for(next_of("it"), 3)
    await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 221548
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("v")
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("u")
    await next_of("it2")
    try:
        async for x in it:
            log(x)
            await wait_for(next_of("it2"), 1)
    except RuntimeError:
        raise Err("u")
async def b():
    await next_of("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 221573
# it = g
# it2 = h
async def g():
    yield 1
    log("d")
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    log("step")
    await next_of("it2")
    try:
        await next_of("it2")
    except Err:
        await sleep(2)
    async with aclosing(it2):
        await next_of("it2")
        async with timeout(1):
            await wait_for(next_of("it2"), 1)
            await next_of("it")
    await sleep(2)
async def b():
    async with aclosing(it):
        await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 221600
# it = g
# it2 = h
async def g():
    log("d")
    log("e")
    yield 0
async def h():
    try:
        yield 1
    finally:
        await sleep(1)
        log("v")
    yield 2
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        log("v")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    await next_of("it")
    async with aclosing(it):
        await sleep(1)
async def b():
    await wait_for(next_of("it"), 2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 221627
# it = g
# it2 = h
async def g():
    log("d")
    yield 1
    yield 0
async def h():
    yield 2
    for _ in range(2):
        yield 3
    yield 4
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        await sleep(0)
    try:
        await wait_for(next_of("it2"), 3)
    except CancelledError:
        log("v")
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
async def b():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 221632
# it = g
# it2 = h
async def g():
    yield 1
    try:
        yield 2
    except CancelledError:
        log("u")
        pass
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        await sleep(0)
async def a():
    await wait_for(next_of("it"), 2)
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
async def b():
    try:
        await wait_for(next_of("it2"), 3)
        async for x in it:
            log(x)
        await next_of("it")
    except Err:
        log("w")
        pass
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 222073
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(1)
    log("b")
    for _ in range(3):
        log("d")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        async for x in it2:
            log(x)
    except TimeoutError:
        log("v")
    async with aclosing(it):
        await next_of("it")
        log("step")
async def b():
    try:
        await close("it")
    except Err:
        log("v")
    try:
        await wait_for(next_of("it"), 2)
    except RuntimeError:
        await sleep(2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 222124
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("u")
async def a():
    await next_of("it")
    try:
        await wait_for(next_of("it2"), 2)
    except CancelledError:
        await sleep(2)
async def b():
    await next_of("it2")
    await next_of("it2")
    await next_of("it2")
    try:
        await next_of("it")
    except Err:
        log("v")
    try:
        await sleep(1)
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 222170
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("c")
    yield 2
    yield 0
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(1)
    try:
        log("step")
    except TimeoutError:
        log("u")
    await next_of("it")
async def b():
    try:
        await wait_for(next_of("it"), 1)
    except CancelledError:
        await sleep(2)
    try:
        await sleep(1)
    except CancelledError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 222252
# it = g
# it2 = h
async def g():
    yield 1
    log("d")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
async def a():
    await next_of("it")
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
async def b():
    await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
        raise
    async with timeout(1):
        async for x in it:
            log(x)
            break
        await next_of("it2")
        await close("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 222312
# it = g
# it2 = h
async def g():
    raise Err("x")
    raise Err("y")
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    await close("it2")
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(2)
    try:
        await close("it2")
    except TimeoutError:
        await sleep(0)
    try:
        await next_of("it")
    except BaseException:
        log("v")
async def b():
    try:
        await next_of("it2")
    except RuntimeError:
        log("v")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 222331
# it = g
# it2 = h
async def g():
    yield 1
    log("a")
    yield 2
    yield 0
async def h():
    await sleep(2)
    await sleep(2)
    raise Err("y")
    log("d")
    yield 0
async def a():
    await next_of("it")
    async for x in it:
        log(x)
        await next_of("it2")
        break
async def b():
    async with timeout(1):
        await close("it")
        await next_of("it")
    await sleep(2)
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 222349
# it = g
# it2 = h
async def g():
    await sleep(0)
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("v")
async def a():
    try:
        try:
            log("step")
            await close("it")
        except TimeoutError:
            await sleep(1)
            pass
    except TimeoutError:
        await sleep(1)
    try:
        await sleep(2)
    except RuntimeError:
        await sleep(1)
async def b():
    await next_of("it2")
    await close("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 222393
# it = g
# it2 = h
async def g():
    log("a")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("u")
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("w")
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
async def b():
    try:
        async with aclosing(it):
            await next_of("it")
            await close("it2")
    except Err:
        log("u")
    await sleep(1)
    log("step")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 222477
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(1)
async def a():
    try:
        await sleep(1)
    except Err:
        await sleep(1)
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(0)
    async for x in it2:
        log(x)
async def b():
    async for x in it:
        log(x)
    await next_of("it2")
    await next_of("it2")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 222506
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    raise Err("z")
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
    try:
        await wait_for(next_of("it"), 1)
    except Err:
        log("u")
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except BaseException:
        log("v")
    await next_of("it")
    try:
        await close("it")
    except CancelledError:
        await sleep(0)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 222574
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    await next_of("it2")
    await next_of("it")
    try:
        async for x in it:
            log(x)
            break
    except RuntimeError:
        log("w")
async def b():
    await wait_for(next_of("it2"), 2)
    try:
        log("step")
    except Err:
        await sleep(1)
    try:
        async with aclosing(it2):
            log("step")
            log("step")
    except CancelledError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 222644
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        raise Err("u")
    try:
        log("step")
    except BaseException:
        await sleep(2)
async def b():
    async with timeout(1):
        await next_of("it")
        await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
    await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 223014
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(0)
async def a():
    await wait_for(next_of("it2"), 2)
    async for x in it:
        log(x)
        break
    await next_of("it")
    await wait_for(next_of("it2"), 2)
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
    try:
        async for x in it2:
            log(x)
            await close("it")
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 223047
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await next_of("it")
    async for x in it2:
        log(x)
        async for x in it:
            log(x)
            await sleep(2)
    try:
        await next_of("it2")
    except CancelledError:
        log("v")
async def b():
    await next_of("it")
    log("step")
    await sleep(2)
    try:
        await close("it2")
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 223122
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        await sleep(2)
    finally:
        await sleep(1)
        await sleep(2)
    await sleep(1)
    await sleep(2)
    yield 0
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    await sleep(1)
    async with timeout(1):
        await next_of("it")
        await next_of("it2")
        await next_of("it")
async def b():
    await wait_for(next_of("it"), 1)
    try:
        await next_of("it2")
    except BaseException:
        await sleep(1)
    await close("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 223553
# it = g
# it2 = h
async def g():
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        await sleep(1)
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("w")
    await next_of("it")
    await sleep(1)
async def b():
    try:
        await wait_for(next_of("it2"), 1)
    except TimeoutError:
        log("w")
    try:
        async with aclosing(it2):
            log("step")
            log("step")
    except TimeoutError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 223575
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        await sleep(1)
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
    await next_of("it2")
    await sleep(1)
    async with aclosing(it2):
        await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
async def b():
    await next_of("it")
    try:
        await sleep(2)
    except Err:
        log("u")
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 223599
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
    try:
        async with aclosing(it):
            log("step")
    except RuntimeError:
        await sleep(2)
    await next_of("it2")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
async def b():
    async with aclosing(it):
        await next_of("it")
    await next_of("it")
    await next_of("it2")
    await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 223911
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("v")
async def a():
    await next_of("it")
    try:
        async with aclosing(it2):
            await next_of("it")
    except CancelledError:
        await sleep(0)
    await wait_for(next_of("it"), 3)
async def b():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
    await next_of("it2")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224013
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    await wait_for(next_of("it2"), 2)
    try:
        await next_of("it2")
    except RuntimeError:
        log("w")
    await next_of("it2")
    async with timeout(3):
        await wait_for(next_of("it"), 2)
        async with aclosing(it2):
            await wait_for(next_of("it"), 3)
        await next_of("it2")
async def b():
    await close("it")
    await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 224031
# it = g
# it2 = h
async def g():
    await sleep(2)
    yield 1
    yield 0
async def h():
    log("d")
    return
    yield 2
    yield 3
    yield 0
async def a():
    async with timeout(3):
        await close("it")
    await next_of("it2")
    await sleep(0)
    async with aclosing(it):
        await close("it2")
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(0)
    try:
        async with timeout(3):
            await sleep(1)
            log("step")
    except Err:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 224114
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("u")
async def a():
    async for x in it:
        log(x)
        await next_of("it")
    await wait_for(next_of("it2"), 2)
    try:
        await sleep(1)
    except RuntimeError:
        await sleep(2)
async def b():
    try:
        async with timeout(3):
            log("step")
    except TimeoutError:
        await sleep(2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224247
# it = g
# it2 = h
async def g():
    await sleep(2)
    yield 0
async def h():
    log("e")
    log("e")
    log("a")
    await sleep(3)
    raise Err("x")
    yield 0
async def a():
    try:
        await next_of("it2")
    except Err:
        log("v")
    await next_of("it")
async def b():
    try:
        await sleep(2)
    except BaseException:
        log("u")
    await next_of("it2")
    try:
        await close("it2")
    except TimeoutError:
        await sleep(0)
    async for x in it2:
        log(x)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224297
# it = g
# it2 = h
async def g():
    log("e")
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    async for x in it2:
        log(x)
        break
    try:
        await sleep(2)
    except TimeoutError:
        log("v")
async def b():
    await next_of("it")
    async with timeout(1):
        await close("it")
    await next_of("it2")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224370
# it = g
# it2 = h
async def g():
    for _ in range(3):
        yield 1
        await sleep(0)
        log("f")
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    async with timeout(3):
        async for x in it:
            log(x)
            log("step")
            break
        async with aclosing(it2):
            await next_of("it")
            log("step")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    try:
        await next_of("it")
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 224393
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        raise Err("v")
        log("u")
async def a():
    try:
        async with timeout(1):
            await next_of("it")
            log("step")
            await next_of("it")
    except RuntimeError:
        log("w")
    try:
        await next_of("it")
    except Err:
        log("v")
    await next_of("it2")
async def b():
    await next_of("it2")
    await next_of("it")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224410
# it = g
# it2 = h
async def g():
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        await close("it")
    except CancelledError:
        await sleep(1)
    try:
        await sleep(1)
    except RuntimeError:
        log("u")
    try:
        await wait_for(next_of("it"), 2)
    except Err:
        await sleep(1)
    await next_of("it")
async def b():
    await next_of("it")
    try:
        await close("it")
    except BaseException:
        await sleep(1)
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 224425
# it = g
# it2 = h
async def g():
    log("e")
    yield 1
    await sleep(0)
    await sleep(0)
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        log("v")
async def a():
    await wait_for(next_of("it"), 1)
    async for x in it:
        log(x)
        await wait_for(next_of("it"), 1)
async def b():
    try:
        await next_of("it2")
    except BaseException:
        await sleep(1)
    await next_of("it2")
    try:
        await sleep(0)
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 224444
# it = g
# it2 = h
async def g():
    try:
        yield 1
        log("f")
    finally:
        log("u")
    await sleep(1)
    return
    await sleep(3)
    yield 0
async def h():
    await sleep(0)
    await sleep(0)
    yield 2
    yield 3
    yield 0
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await close("it")
    except BaseException:
        log("v")
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224530
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
async def b():
    await sleep(1)
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
    try:
        await wait_for(next_of("it2"), 2)
    except BaseException:
        log("u")
    async with aclosing(it):
        await next_of("it")
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224559
# it = g
# it2 = h
async def g():
    yield 1
    try:
        yield 2
        yield 3
    finally:
        log("w")
    log("a")
    await sleep(1)
    yield 0
async def h():
    yield 4
    yield 5
    await sleep(0)
    yield 0
async def a():
    try:
        async for x in it2:
            log(x)
            break
    except TimeoutError:
        log("u")
    async for x in it:
        log(x)
        await next_of("it2")
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("w")
    try:
        await next_of("it")
    except Err:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224604
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(3)
    yield 1
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("w")
async def a():
    await sleep(2)
    try:
        async with timeout(2):
            log("step")
            await next_of("it")
    except RuntimeError:
        await sleep(2)
async def b():
    async for x in it:
        log(x)
        async with aclosing(it):
            await wait_for(next_of("it"), 2)
            log("step")
        break
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 224659
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
    try:
        async with aclosing(it):
            log("step")
    except RuntimeError:
        log("u")
    try:
        async for x in it2:
            log(x)
            await next_of("it")
            break
    except Err:
        await sleep(1)
    try:
        await close("it2")
    except Err:
        await sleep(2)
async def b():
    await next_of("it")
    await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224784
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(1)
async def a():
    await wait_for(next_of("it2"), 2)
    try:
        await wait_for(next_of("it2"), 3)
    except RuntimeError:
        log("w")
async def b():
    async with aclosing(it2):
        async with timeout(1):
            log("step")
            await next_of("it")
            await sleep(0)
        async for x in it:
            log(x)
            break
    await sleep(1)
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 224822
# it = g
# it2 = h
async def g():
    log("c")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
    await next_of("it")
async def b():
    try:
        await wait_for(next_of("it"), 3)
    except TimeoutError:
        await sleep(2)
    await next_of("it")
    await next_of("it2")
    try:
        await sleep(0)
    except Err:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225202
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    yield 0
async def a():
    await next_of("it2")
    await next_of("it")
    await sleep(2)
    try:
        async with aclosing(it2):
            await next_of("it")
    except Err:
        await sleep(2)
async def b():
    try:
        await next_of("it")
    except Err:
        log("v")
    try:
        async with aclosing(it):
            log("step")
            await next_of("it")
    except BaseException:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225316
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(1)
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    async for x in it:
        log(x)
    await sleep(2)
    await next_of("it")
async def b():
    async with aclosing(it):
        await next_of("it2")
    try:
        async for x in it:
            log(x)
            await sleep(2)
            break
    except BaseException:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225380
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(2)
    yield 3
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("w")
async def a():
    await next_of("it2")
    await next_of("it2")
async def b():
    async with aclosing(it2):
        async with aclosing(it2):
            await next_of("it")
        await wait_for(next_of("it"), 3)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225392
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("u")
async def a():
    try:
        async with aclosing(it):
            await wait_for(next_of("it"), 1)
            await next_of("it2")
    except CancelledError:
        log("w")
    await next_of("it")
async def b():
    await next_of("it")
    try:
        await wait_for(next_of("it"), 2)
    except CancelledError:
        await sleep(1)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225399
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 1
    yield 0
async def h():
    await sleep(3)
    yield 2
    yield 0
async def a():
    try:
        async for x in it:
            log(x)
            log("step")
    except RuntimeError:
        log("u")
    try:
        await wait_for(next_of("it2"), 1)
    except BaseException:
        log("w")
async def b():
    try:
        await close("it")
    except BaseException:
        await sleep(2)
    try:
        await next_of("it")
    except CancelledError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225461
# it = g
# it2 = h
async def g():
    log("c")
    await sleep(1)
    yield 1
    yield 2
    log("c")
    yield 0
async def h():
    await sleep(2)
    yield 0
async def a():
    await next_of("it")
    await next_of("it2")
    async with aclosing(it):
        await next_of("it")
async def b():
    async with timeout(1):
        await sleep(0)
        log("step")
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225605
# it = g
# it2 = h
async def g():
    for _ in range(2):
        yield 1
        yield 2
        yield 3
    await sleep(1)
    await sleep(2)
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    await sleep(0)
    await sleep(2)
async def b():
    await sleep(1)
    async for x in it:
        log(x)
        await next_of("it2")
    try:
        async for x in it2:
            log(x)
            break
    except Err:
        await sleep(0)
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225628
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(1)
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    await next_of("it2")
    try:
        async for x in it:
            log(x)
            break
    except CancelledError:
        log("v")
async def b():
    await wait_for(next_of("it"), 3)
    await wait_for(next_of("it"), 3)
    try:
        await next_of("it")
    except Err:
        log("u")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225700
# it = g
# it2 = h
async def g():
    yield 1
    log("e")
    yield 0
async def h():
    yield 2
    for _ in range(2):
        yield 3
    await sleep(0)
    yield 0
async def a():
    try:
        await wait_for(next_of("it"), 2)
    except RuntimeError:
        await sleep(0)
    async with aclosing(it2):
        await next_of("it2")
        async with timeout(2):
            log("step")
            await next_of("it")
            log("step")
async def b():
    try:
        await sleep(2)
    except RuntimeError:
        log("v")
    await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 225775
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("e")
    yield 0
async def a():
    async for x in it:
        log(x)
    try:
        await sleep(1)
    except BaseException:
        log("u")
async def b():
    async with timeout(2):
        async with timeout(2):
            await next_of("it")
            log("step")
    async for x in it:
        log(x)
        break
    try:
        await close("it2")
    except BaseException:
        await sleep(2)
    await next_of("it2")
    try:
        log("step")
    except CancelledError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 225848
# it = g
# it2 = h
async def g():
    log("c")
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("w")
async def a():
    await wait_for(next_of("it"), 2)
    async with aclosing(it):
        await next_of("it2")
    await sleep(2)
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("u")
    await close("it")
    await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225871
# it = g
# it2 = h
async def g():
    log("f")
    yield 0
async def h():
    yield 1
    log("d")
    yield 0
async def a():
    try:
        await sleep(2)
    except Err:
        log("w")
    try:
        await next_of("it2")
    except TimeoutError:
        log("w")
    await next_of("it")
    await next_of("it2")
    try:
        await sleep(2)
    except CancelledError:
        log("w")
async def b():
    try:
        await next_of("it2")
    except BaseException:
        await sleep(0)
    try:
        await next_of("it2")
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 225899
# it = g
# it2 = h
async def g():
    for _ in range(3):
        log("d")
    log("d")
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    async for x in it2:
        log(x)
    try:
        await close("it")
    except Err:
        log("u")
    await close("it2")
async def b():
    await next_of("it")
    await next_of("it")
    try:
        await sleep(0)
    except RuntimeError:
        await sleep(2)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(2)
    cancel(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 226056
# it = g
# it2 = h
async def g():
    log("a")
    yield 1
    await sleep(0)
    yield 2
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        log("w")
async def a():
    async with timeout(1):
        async for x in it2:
            log(x)
            break
        await wait_for(next_of("it"), 1)
        async with timeout(2):
            log("step")
    async for x in it:
        log(x)
        await next_of("it")
        break
    await close("it2")
async def b():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 226074
# it = g
# it2 = h
async def g():
    log("c")
    await sleep(2)
    yield 1
    yield 2
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    await next_of("it2")
    async for x in it:
        log(x)
        await next_of("it")
    await next_of("it2")
    async with timeout(3):
        await sleep(0)
        await next_of("it")
        await next_of("it")
async def b():
    await next_of("it")
    async with aclosing(it):
        async with aclosing(it):
            await next_of("it")
        await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 226153
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    await sleep(2)
    yield 0
async def a():
    await sleep(0)
    log("step")
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    try:
        await next_of("it2")
    except BaseException:
        await sleep(0)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except Err:
        log("v")
    try:
        async for x in it:
            log(x)
            await next_of("it")
    except Err:
        raise Err("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 226193
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    await next_of("it")
    await close("it2")
    await next_of("it2")
    try:
        async with timeout(1):
            log("step")
            log("step")
            log("step")
    except Err:
        log("u")
    await next_of("it")
async def b():
    try:
        async for x in it:
            log(x)
            log("step")
            break
    except TimeoutError:
        raise Err("w")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 226389
# it = g
# it2 = h
async def g():
    for _ in range(3):
        await sleep(0)
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(0)
async def a():
    try:
        await sleep(1)
    except BaseException:
        await sleep(1)
    try:
        await next_of("it")
    except BaseException:
        log("u")
async def b():
    await wait_for(next_of("it"), 3)
    try:
        await next_of("it")
    except Err:
        log("v")
    try:
        await next_of("it2")
    except BaseException:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 226393
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("v")
async def a():
    try:
        await next_of("it")
        await next_of("it2")
    except RuntimeError:
        log("v")
        pass
    try:
        log("step")
    except RuntimeError:
        log("w")
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 226451
# it = g
# it2 = h
async def g():
    await sleep(1)
    for _ in range(3):
        try:
            yield 1
            log("e")
        except CancelledError:
            await sleep(2)
            raise
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    async for x in it:
        log(x)
        await wait_for(next_of("it"), 2)
        break
    async with aclosing(it):
        await next_of("it2")
        await next_of("it2")
async def b():
    async with timeout(1):
        await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 226475
# it = g
# it2 = h
async def g():
    for _ in range(3):
        await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    async for x in it:
        log(x)
        try:
            await next_of("it")
            log("step")
        except CancelledError:
            raise Err("w")
            raise
        break
    try:
        await close("it")
    except TimeoutError:
        log("w")
    await next_of("it2")
async def b():
    await wait_for(next_of("it2"), 1)
    try:
        await sleep(0)
    except CancelledError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 226530
# it = g
# it2 = h
async def g():
    log("a")
    yield 1
    yield 2
    yield 3
    raise Err("z")
    yield 0
async def h():
    await sleep(3)
    yield 0
async def a():
    try:
        await sleep(1)
    except TimeoutError:
        await sleep(0)
    try:
        await wait_for(next_of("it"), 1)
    except TimeoutError:
        log("u")
    try:
        await close("it")
    except CancelledError:
        log("u")
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
async def b():
    await next_of("it")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 226721
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(0)
    yield 0
async def h():
    yield 3
    yield 4
    yield 0
async def a():
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        log("w")
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(2)
async def b():
    try:
        async for x in it:
            log(x)
            log("step")
    except BaseException:
        log("u")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 226724
# it = g
# it2 = h
async def g():
    await sleep(0)
    for _ in range(2):
        yield 1
        yield 2
    yield 3
    yield 4
    yield 5
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        async for x in it:
            log(x)
            await wait_for(next_of("it"), 2)
    except TimeoutError:
        await sleep(1)
    try:
        await next_of("it")
    except Err:
        await sleep(1)
async def b():
    try:
        await wait_for(next_of("it"), 1)
    except BaseException:
        log("v")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 227057
# it = g
# it2 = h
async def g():
    await sleep(0)
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await next_of("it")
    await next_of("it")
    await next_of("it")
    try:
        await sleep(2)
    except BaseException:
        log("u")
    await next_of("it2")
async def b():
    await next_of("it")
    try:
        await sleep(0)
    except BaseException:
        await sleep(2)
    await close("it2")
    await close("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 227065
# it = g
# it2 = h
async def g():
    for _ in range(2):
        log("b")
        yield 1
    await sleep(1)
    await sleep(1)
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(0)
    await next_of("it")
    await sleep(1)
async def b():
    try:
        async for x in it:
            log(x)
    except TimeoutError:
        log("w")
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 227152
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    await sleep(2)
    await sleep(1)
    for _ in range(2):
        yield 3
        yield 4
        await sleep(3)
    yield 5
    yield 0
async def a():
    await sleep(2)
    await next_of("it")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
    await next_of("it")
    await next_of("it")
async def b():
    async with aclosing(it):
        await wait_for(next_of("it"), 1)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 227270
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("v")
async def a():
    async with timeout(3):
        await next_of("it2")
        await wait_for(next_of("it"), 2)
    try:
        log("step")
    except RuntimeError:
        log("w")
async def b():
    await next_of("it")
    try:
        await next_of("it2")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 227345
# it = g
# it2 = h
async def g():
    log("c")
    yield 0
async def h():
    for _ in range(3):
        yield 1
    yield 0
async def a():
    try:
        async with timeout(3):
            await sleep(1)
            await sleep(0)
            await next_of("it")
    except TimeoutError:
        log("w")
    try:
        async with aclosing(it2):
            await wait_for(next_of("it"), 1)
    except CancelledError:
        log("u")
async def b():
    log("step")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 227546
# it = g
# it2 = h
async def g():
    return
    raise Err("y")
    yield 1
    yield 2
    yield 3
    log("a")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        await sleep(1)
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
async def b():
    await wait_for(next_of("it2"), 2)
    await close("it2")
    await close("it")
    await close("it2")
    try:
        await sleep(2)
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 227778
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    try:
        await sleep(1)
        yield 1
    finally:
        await sleep(2)
        log("w")
    yield 0
async def a():
    try:
        await next_of("it2")
    except CancelledError:
        log("u")
    try:
        await next_of("it")
        await next_of("it2")
    except TimeoutError:
        await sleep(2)
        pass
async def b():
    await wait_for(next_of("it2"), 1)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 227797
# it = g
# it2 = h
async def g():
    raise Err("x")
    yield 1
    yield 0
async def h():
    await sleep(3)
    await sleep(1)
    yield 0
async def a():
    async with aclosing(it):
        await close("it2")
        await sleep(2)
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
    await wait_for(next_of("it"), 3)
    await sleep(0)
async def b():
    try:
        await close("it2")
    except CancelledError:
        await sleep(2)
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(2)
    try:
        await close("it")
    except BaseException:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 228164
# it = g
# it2 = h
async def g():
    log("d")
    log("a")
    yield 0
async def h():
    await sleep(0)
    try:
        await sleep(2)
    finally:
        log("v")
    yield 0
async def a():
    await next_of("it")
    try:
        await close("it2")
    except CancelledError:
        log("w")
    await next_of("it2")
async def b():
    try:
        await close("it")
    except TimeoutError:
        await sleep(0)
    try:
        await sleep(2)
    except CancelledError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 228258
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    for _ in range(3):
        yield 2
        yield 3
    for _ in range(3):
        yield 4
    log("b")
    yield 5
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        async for x in it:
            log(x)
            await next_of("it")
        await sleep(2)
        await next_of("it")
    except Err:
        log("w")
        pass
    await wait_for(next_of("it"), 1)
async def b():
    await next_of("it")
    await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 228572
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("u")
async def a():
    await next_of("it2")
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
    try:
        async with timeout(2):
            await wait_for(next_of("it2"), 2)
    except TimeoutError:
        log("v")
    try:
        await sleep(2)
    except Err:
        await sleep(1)
    await close("it2")
async def b():
    await next_of("it")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 228695
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    await sleep(1)
    await sleep(1)
    for _ in range(3):
        log("e")
    yield 0
async def h():
    yield 4
    yield 0
async def a():
    await next_of("it")
    await sleep(1)
    try:
        await next_of("it")
    except BaseException:
        log("u")
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
async def b():
    try:
        await sleep(0)
    except BaseException:
        log("w")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 228705
# it = g
# it2 = h
async def g():
    try:
        log("e")
    finally:
        log("u")
    yield 1
    yield 2
    yield 0
async def h():
    log("f")
    yield 3
    for _ in range(2):
        yield 4
        yield 5
    yield 0
async def a():
    async for x in it:
        log(x)
        break
    async for x in it:
        log(x)
        await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        log("v")
async def b():
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        raise Err("u")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 228856
# it = g
# it2 = h
async def g():
    try:
        yield 1
        await sleep(0)
    except Err:
        await sleep(1)
        log("u")
        pass
    yield 2
    await sleep(2)
    raise Err("x")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        log("v")
async def a():
    log("step")
    await next_of("it2")
async def b():
    async with aclosing(it2):
        await next_of("it")
        log("step")
    await wait_for(next_of("it2"), 2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 228894
# it = g
# it2 = h
async def g():
    for _ in range(2):
        continue
        await sleep(0)
        yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        await close("it")
    except TimeoutError:
        log("u")
    try:
        await next_of("it")
    except BaseException:
        log("u")
    try:
        async with timeout(1):
            log("step")
            log("step")
    except CancelledError:
        log("u")
async def b():
    await next_of("it")
    await wait_for(next_of("it2"), 3)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 228901
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("c")
    yield 0
async def a():
    try:
        await next_of("it")
        await next_of("it2")
    except RuntimeError:
        log("w")
        raise
    await next_of("it")
    await next_of("it")
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(2)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 228913
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    raise Err("y")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except Err:
        log("v")
    await close("it2")
async def b():
    await next_of("it2")
    try:
        await next_of("it2")
    except RuntimeError:
        log("v")
    try:
        async with aclosing(it):
            await close("it")
    except Err:
        log("u")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229058
# it = g
# it2 = h
async def g():
    for _ in range(3):
        await sleep(0)
        log("c")
    yield 0
async def h():
    yield 1
    log("a")
    yield 0
async def a():
    await wait_for(next_of("it"), 2)
    await close("it")
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    try:
        async with timeout(1):
            log("step")
            await next_of("it2")
    except BaseException:
        await sleep(1)
async def b():
    await close("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229401
# it = g
# it2 = h
async def g():
    yield 1
    return
    yield 0
async def h():
    yield 2
    yield 3
    await sleep(1)
    try:
        await sleep(0)
        await sleep(1)
    except Err:
        log("w")
        pass
    await sleep(1)
    yield 0
async def a():
    async with aclosing(it2):
        await next_of("it")
        async with timeout(2):
            log("step")
    await next_of("it")
async def b():
    await next_of("it")
    await next_of("it")
    try:
        await wait_for(next_of("it2"), 1)
    except Err:
        await sleep(0)
    try:
        await sleep(0)
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229508
# it = g
# it2 = h
async def g():
    log("f")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    async with aclosing(it):
        await next_of("it2")
        await close("it2")
    await sleep(0)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("v")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(2)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 229521
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    await sleep(3)
    yield 0
async def a():
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(1)
    try:
        log("step")
    except BaseException:
        await sleep(1)
async def b():
    try:
        await sleep(1)
    except BaseException:
        await sleep(0)
    try:
        await sleep(0)
    except Err:
        await sleep(0)
    try:
        async for x in it:
            log(x)
            log("step")
    except TimeoutError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229705
# it = g
# it2 = h
async def g():
    log("d")
    yield 0
async def h():
    yield 1
    await sleep(1)
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await close("it")
    except BaseException:
        raise Err("v")
    async with timeout(3):
        await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229732
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    await wait_for(next_of("it"), 3)
    try:
        async for x in it:
            log(x)
            log("step")
            break
    except Err:
        await sleep(1)
    await next_of("it")
async def b():
    try:
        async with timeout(3):
            await next_of("it")
            log("step")
    except Err:
        log("v")
    try:
        await next_of("it2")
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229842
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(2)
    await sleep(0)
    return
    for _ in range(3):
        yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    await sleep(2)
    try:
        await close("it2")
    except RuntimeError:
        log("w")
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
async def b():
    log("step")
    try:
        async for x in it2:
            log(x)
    except CancelledError:
        log("w")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 229867
# it = g
# it2 = h
async def g():
    yield 1
    for _ in range(3):
        log("a")
    await sleep(1)
    yield 2
    yield 0
async def h():
    await sleep(0)
    await sleep(3)
    yield 3
    yield 4
    yield 0
async def a():
    await next_of("it")
    try:
        async for x in it2:
            log(x)
    except RuntimeError:
        log("v")
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("v")
    try:
        await sleep(0)
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229937
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("f")
    yield 2
    await sleep(0)
    yield 0
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
    try:
        await sleep(2)
    except TimeoutError:
        await sleep(2)
    await next_of("it")
    try:
        await close("it")
    except CancelledError:
        raise Err("w")
async def b():
    async for x in it:
        log(x)
    try:
        await sleep(1)
    except Err:
        log("w")
    await close("it2")
    await next_of("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 229941
# it = g
# it2 = h
async def g():
    log("e")
    yield 1
    yield 2
    await sleep(2)
    yield 3
    yield 0
async def h():
    yield 4
    yield 0
async def a():
    await close("it")
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except Err:
        log("u")
    await next_of("it2")
    try:
        await next_of("it")
        await next_of("it2")
    except Err:
        log("u")
        raise
    try:
        await wait_for(next_of("it"), 2)
    except Err:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 229966
# it = g
# it2 = h
async def g():
    log("c")
    yield 1
    yield 2
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    await wait_for(next_of("it2"), 1)
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
async def b():
    try:
        await wait_for(next_of("it"), 2)
    except TimeoutError:
        log("v")
    try:
        await next_of("it")
    except TimeoutError:
        raise Err("w")
    await wait_for(next_of("it"), 3)
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 230096
# it = g
# it2 = h
async def g():
    await sleep(1)
    log("c")
    yield 1
    yield 2
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    await next_of("it")
    await next_of("it2")
    await close("it")
    try:
        async for x in it:
            log(x)
            break
    except CancelledError:
        log("u")
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except Err:
        log("u")
    try:
        await wait_for(next_of("it"), 1)
    except BaseException:
        log("v")
    await next_of("it")
    await close("it2")
    try:
        log("step")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 230255
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    for _ in range(2):
        yield 2
    yield 3
    return
    yield 0
async def a():
    try:
        log("step")
    except TimeoutError:
        await sleep(2)
    await next_of("it2")
    async with timeout(3):
        await next_of("it")
    async for x in it:
        log(x)
        await next_of("it2")
async def b():
    await sleep(1)
    try:
        await close("it2")
    except RuntimeError:
        log("w")
    await sleep(0)
    await wait_for(next_of("it"), 2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 230341
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    await sleep(1)
    try:
        yield 3
        yield 4
    finally:
        log("w")
        log("v")
    yield 5
    log("c")
    return
    yield 0
async def a():
    await next_of("it2")
    async with aclosing(it2):
        await next_of("it")
        await next_of("it2")
    await sleep(2)
async def b():
    try:
        async with timeout(1):
            await next_of("it")
            log("step")
    except Err:
        log("w")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 230496
# it = g
# it2 = h
async def g():
    log("b")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await next_of("it")
    try:
        await sleep(2)
    except TimeoutError:
        await sleep(1)
    await next_of("it2")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except Err:
        log("u")
    try:
        await next_of("it")
    except RuntimeError:
        log("v")
    try:
        async with aclosing(it):
            log("step")
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 230506
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(0)
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await next_of("it2")
    async for x in it:
        log(x)
        await next_of("it")
    await next_of("it")
    try:
        await next_of("it")
    except CancelledError:
        log("v")
async def b():
    await close("it")
    try:
        async with aclosing(it):
            await next_of("it2")
            await next_of("it")
    except TimeoutError:
        await sleep(1)
        pass
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 230648
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    yield 4
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        await sleep(2)
async def a():
    await wait_for(next_of("it"), 3)
    try:
        await next_of("it")
    except Err:
        raise Err("v")
    await sleep(2)
async def b():
    await next_of("it2")
    await close("it2")
    try:
        await next_of("it2")
    except Err:
        log("v")
    try:
        await next_of("it2")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 230650
# it = g
# it2 = h
async def g():
    yield 1
    for _ in range(3):
        log("f")
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("v")
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        log("v")
async def b():
    await sleep(2)
    try:
        log("step")
    except Err:
        log("v")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 230732
# it = g
# it2 = h
async def g():
    yield 1
    log("a")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        raise Err("w")
        await sleep(1)
async def a():
    log("step")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
    async for x in it:
        log(x)
        await next_of("it2")
async def b():
    await next_of("it2")
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 230839
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(2)
    await next_of("it")
    try:
        await next_of("it2")
    except BaseException:
        await sleep(2)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("u")
    async with timeout(3):
        await next_of("it")
        await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 231055
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    raise Err("z")
    yield 0
async def a():
    try:
        await next_of("it2")
    except Err:
        await sleep(0)
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        raise Err("u")
async def b():
    await next_of("it2")
    await close("it")
    try:
        async with aclosing(it2):
            log("step")
            log("step")
    except Err:
        log("w")
    await wait_for(next_of("it2"), 1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 231079
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 1
    await sleep(1)
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    try:
        await sleep(1)
    except CancelledError:
        log("w")
    try:
        await next_of("it")
    except RuntimeError:
        log("u")
    await next_of("it2")
async def b():
    await next_of("it")
    async with timeout(2):
        await next_of("it")
    await next_of("it")
    async with aclosing(it2):
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 231088
# it = g
# it2 = h
async def g():
    log("d")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("w")
    try:
        await next_of("it")
    except Err:
        log("w")
    await next_of("it")
async def b():
    await wait_for(next_of("it"), 1)
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 231121
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        await sleep(0)
async def a():
    await close("it")
    try:
        await wait_for(next_of("it"), 1)
    except BaseException:
        await sleep(2)
    async for x in it:
        log(x)
        await close("it")
    try:
        await wait_for(next_of("it2"), 1)
    except BaseException:
        log("v")
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
        raise
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 231378
# it = g
# it2 = h
async def g():
    log("f")
    yield 1
    await sleep(2)
    await sleep(2)
    await sleep(0)
    yield 0
async def h():
    await sleep(0)
    log("d")
    yield 0
async def a():
    await next_of("it")
    try:
        await wait_for(next_of("it2"), 3)
    except TimeoutError:
        log("v")
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("v")
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 231536
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    try:
        log("a")
        raise Err("z")
    finally:
        log("u")
        log("u")
    yield 0
async def a():
    async with timeout(3):
        await next_of("it")
        async for x in it:
            log(x)
            break
        await next_of("it")
    await next_of("it")
async def b():
    await next_of("it2")
    try:
        await close("it")
    except RuntimeError:
        await sleep(0)
    try:
        await next_of("it2")
    except CancelledError:
        raise Err("v")
    try:
        await sleep(2)
    except TimeoutError:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 231543
# it = g
# it2 = h
async def g():
    for _ in range(3):
        return
    yield 1
    yield 2
    yield 0
async def h():
    try:
        yield 3
    finally:
        log("w")
    yield 0
async def a():
    try:
        await wait_for(next_of("it"), 1)
    except Err:
        log("u")
    try:
        try:
            log("step")
            log("step")
            log("step")
        except Err:
            log("w")
            raise
        await next_of("it")
    except CancelledError:
        await sleep(0)
        raise
async def b():
    await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 231913
# it = g
# it2 = h
async def g():
    try:
        await sleep(0)
        log("d")
    finally:
        log("w")
    yield 1
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    await next_of("it")
    await next_of("it2")
    try:
        await next_of("it2")
    except Err:
        log("u")
async def b():
    try:
        async for x in it2:
            log(x)
    except BaseException:
        log("w")
    async with timeout(1):
        await next_of("it2")
    try:
        await sleep(0)
    except TimeoutError:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 232265
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("c")
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        await sleep(0)
async def a():
    async for x in it:
        log(x)
    try:
        await next_of("it2")
    except Err:
        log("w")
    await wait_for(next_of("it"), 2)
async def b():
    await next_of("it")
    async for x in it:
        log(x)
    try:
        await next_of("it")
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 232578
# it = g
# it2 = h
async def g():
    log("e")
    for _ in range(3):
        yield 1
        yield 2
    log("d")
    yield 0
async def h():
    yield 3
    yield 4
    yield 0
async def a():
    await next_of("it2")
    await next_of("it")
    await wait_for(next_of("it2"), 1)
async def b():
    try:
        try:
            await next_of("it2")
            await next_of("it")
        except TimeoutError:
            log("w")
            raise
    except CancelledError:
        log("v")
    async with aclosing(it2):
        async for x in it:
            log(x)
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 232660
# it = g
# it2 = h
async def g():
    log("e")
    await sleep(0)
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(1)
async def a():
    await close("it2")
    try:
        async with aclosing(it):
            await sleep(2)
            await next_of("it")
    except BaseException:
        await sleep(0)
    try:
        await next_of("it2")
    except TimeoutError:
        log("u")
    try:
        await sleep(2)
    except Err:
        await sleep(0)
async def b():
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 232839
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    yield 4
    yield 0
async def h():
    log("f")
    yield 5
    await sleep(2)
    yield 0
async def a():
    try:
        await close("it")
    except CancelledError:
        await sleep(0)
    await next_of("it")
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
async def b():
    try:
        await next_of("it")
        await next_of("it2")
        await next_of("it")
    except TimeoutError:
        log("w")
        raise
    await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 232937
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    yield 1
    await sleep(2)
    yield 0
async def a():
    try:
        async with aclosing(it):
            log("step")
    except CancelledError:
        log("u")
    await next_of("it2")
    async for x in it2:
        log(x)
        async with timeout(3):
            await next_of("it2")
            log("step")
async def b():
    try:
        await close("it")
    except CancelledError:
        await sleep(1)
    async with aclosing(it):
        await next_of("it")
    try:
        await next_of("it2")
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 233013
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    await close("it")
    await wait_for(next_of("it"), 3)
async def b():
    try:
        await next_of("it")
    except BaseException:
        await sleep(0)
    await next_of("it")
    try:
        await close("it")
    except CancelledError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233108
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    yield 2
    await sleep(2)
    await sleep(1)
    await sleep(2)
    await sleep(0)
    yield 0
async def a():
    await sleep(0)
    await next_of("it")
async def b():
    await sleep(2)
    try:
        await sleep(0)
    except BaseException:
        await sleep(2)
    try:
        async for x in it2:
            log(x)
    except Err:
        log("v")
    try:
        async with timeout(3):
            await next_of("it")
            await next_of("it")
            log("step")
    except Err:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233141
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    await sleep(1)
    await sleep(0)
    await sleep(0)
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        log("u")
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
    await wait_for(next_of("it"), 2)
    await next_of("it")
async def b():
    await next_of("it2")
    try:
        await next_of("it")
    except BaseException:
        log("w")
    await next_of("it")
    try:
        await sleep(2)
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 233272
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 1
    await sleep(0)
    yield 2
    await sleep(1)
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        await sleep(1)
    try:
        log("step")
    except RuntimeError:
        await sleep(0)
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("v")
    async for x in it2:
        log(x)
async def b():
    await close("it")
    try:
        await next_of("it2")
    except Err:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233326
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    for _ in range(2):
        for _ in range(3):
            await sleep(0)
            yield 2
        yield 3
    yield 4
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("u")
async def a():
    async for x in it:
        log(x)
    try:
        async with timeout(1):
            await next_of("it2")
            await next_of("it2")
    except BaseException:
        await sleep(1)
async def b():
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233380
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    yield 3
    yield 4
    await sleep(1)
    await sleep(1)
    yield 0
async def a():
    await close("it2")
    await next_of("it")
async def b():
    await wait_for(next_of("it"), 3)
    await next_of("it")
    await next_of("it2")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233396
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
        await sleep(2)
async def a():
    await sleep(2)
    await close("it")
    try:
        await close("it")
    except CancelledError:
        log("w")
    await next_of("it2")
async def b():
    async with aclosing(it):
        await close("it")
        await sleep(0)
    try:
        async with aclosing(it2):
            log("step")
            await close("it2")
    except BaseException:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233400
# it = g
# it2 = h
async def g():
    await sleep(3)
    await sleep(3)
    yield 0
async def h():
    await sleep(1)
    await sleep(2)
    yield 0
async def a():
    await close("it")
    try:
        log("step")
    except CancelledError:
        await sleep(2)
    await next_of("it2")
    try:
        log("step")
    except CancelledError:
        await sleep(1)
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("u")
    try:
        await next_of("it")
    except Err:
        await sleep(2)
    await sleep(1)
    try:
        await wait_for(next_of("it2"), 2)
    except RuntimeError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 233610
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    await next_of("it")
    try:
        await next_of("it")
    except RuntimeError:
        raise Err("w")
async def b():
    try:
        async with aclosing(it):
            log("step")
    except RuntimeError:
        await sleep(2)
    try:
        await close("it")
    except BaseException:
        log("w")
    try:
        await next_of("it")
        await next_of("it2")
    except CancelledError:
        log("u")
        pass
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 233742
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    raise Err("x")
    yield 3
    yield 0
async def h():
    yield 4
    return
    yield 5
    yield 0
async def a():
    try:
        await next_of("it2")
    except Err:
        log("v")
    await next_of("it2")
    await close("it")
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
async def b():
    await next_of("it")
    async with timeout(1):
        await next_of("it")
    try:
        await next_of("it")
    except CancelledError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 233845
# it = g
# it2 = h
async def g():
    try:
        return
        log("f")
    except CancelledError:
        await sleep(2)
        pass
    yield 0
async def h():
    yield 1
    yield 0
async def a():
    await wait_for(next_of("it"), 2)
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
async def b():
    try:
        async for x in it2:
            log(x)
            log("step")
    except Err:
        raise Err("w")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233888
# it = g
# it2 = h
async def g():
    await sleep(0)
    yield 0
async def h():
    yield 1
    yield 2
    for _ in range(3):
        await sleep(0)
    yield 0
async def a():
    async for x in it2:
        log(x)
        async for x in it:
            log(x)
    await next_of("it")
async def b():
    try:
        async with aclosing(it):
            log("step")
            log("step")
    except Err:
        log("w")
    await next_of("it")
    await wait_for(next_of("it"), 3)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 233916
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    try:
        await next_of("it2")
    except CancelledError:
        log("u")
    await next_of("it")
async def b():
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(1)
    try:
        await close("it")
    except RuntimeError:
        log("v")
    try:
        await wait_for(next_of("it"), 2)
    except Err:
        log("u")
    log("step")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(1)
    cancel(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 234064
# it = g
# it2 = h
async def g():
    log("f")
    await sleep(1)
    for _ in range(2):
        yield 1
    for _ in range(2):
        yield 2
        yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("v")
async def a():
    await next_of("it2")
    await sleep(2)
async def b():
    try:
        await next_of("it")
    except BaseException:
        log("v")
    await close("it2")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 234085
# it = g
# it2 = h
async def g():
    return
    yield 0
async def h():
    yield 1
    yield 0
async def a():
    try:
        await next_of("it2")
        await next_of("it2")
    except CancelledError:
        log("v")
        pass
    async with timeout(3):
        await wait_for(next_of("it2"), 2)
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
    await next_of("it")
    try:
        async with timeout(1):
            log("step")
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 234234
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(2)
    await sleep(0)
    for _ in range(3):
        yield 2
        yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        await close("it")
    except TimeoutError:
        log("v")
    await next_of("it")
async def b():
    try:
        async with aclosing(it):
            await next_of("it2")
    except CancelledError:
        await sleep(1)
    async with timeout(2):
        await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 234498
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(2)
    yield 2
    for _ in range(2):
        log("e")
    raise Err("x")
    yield 0
async def h():
    log("f")
    yield 0
async def a():
    await next_of("it")
    try:
        async with aclosing(it):
            await next_of("it")
    except RuntimeError:
        await sleep(0)
    try:
        await next_of("it2")
    except Err:
        log("u")
async def b():
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 234572
# it = g
# it2 = h
async def g():
    await sleep(2)
    await sleep(0)
    yield 0
async def h():
    yield 1
    yield 2
    yield 3
    yield 4
    await sleep(3)
    yield 5
    yield 0
async def a():
    await close("it2")
    try:
        async with timeout(3):
            await next_of("it")
            await next_of("it")
            await close("it2")
    except Err:
        await sleep(1)
async def b():
    try:
        async with timeout(3):
            await close("it2")
            log("step")
    except CancelledError:
        await sleep(2)
    await next_of("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 234677
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        log("u")
async def a():
    await next_of("it")
    await next_of("it2")
    async with aclosing(it):
        log("step")
        await next_of("it2")
async def b():
    try:
        await close("it")
    except TimeoutError:
        log("v")
    try:
        async for x in it2:
            log(x)
    except Err:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 234769
# it = g
# it2 = h
async def g():
    log("f")
    await sleep(1)
    await sleep(3)
    yield 0
async def h():
    yield 1
    yield 2
    yield 0
async def a():
    try:
        async for x in it2:
            log(x)
    except RuntimeError:
        await sleep(0)
    await next_of("it")
async def b():
    try:
        async for x in it:
            log(x)
    except BaseException:
        log("w")
    try:
        await sleep(2)
    except TimeoutError:
        log("v")
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 234790
# it = g
# it2 = h
async def g():
    log("a")
    await sleep(2)
    await sleep(1)
    yield 1
    yield 2
    log("b")
    yield 0
async def h():
    yield 3
    yield 4
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    await next_of("it")
    try:
        await next_of("it")
    except CancelledError:
        raise Err("v")
    log("step")
async def b():
    try:
        await sleep(1)
    except RuntimeError:
        raise Err("w")
    await sleep(2)
    try:
        await close("it")
    except CancelledError:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 234863
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 0
async def h():
    await sleep(1)
    for _ in range(3):
        log("b")
        await sleep(0)
    yield 1
    yield 2
    log("f")
    yield 3
    yield 0
async def a():
    try:
        await sleep(2)
    except TimeoutError:
        log("v")
    try:
        log("step")
    except Err:
        await sleep(0)
async def b():
    try:
        await close("it")
    except BaseException:
        log("u")
    async for x in it2:
        log(x)
    await close("it2")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235155
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("u")
async def a():
    await next_of("it2")
    await sleep(0)
    await sleep(1)
    try:
        await next_of("it2")
    except BaseException:
        log("u")
    try:
        await next_of("it")
    except TimeoutError:
        log("w")
async def b():
    await wait_for(next_of("it"), 2)
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235244
# it = g
# it2 = h
async def g():
    await sleep(2)
    yield 1
    yield 2
    yield 3
    await sleep(0)
    yield 4
    yield 0
async def h():
    yield 5
    yield 6
    yield 7
    yield 0
async def a():
    await close("it2")
    await next_of("it2")
    await sleep(0)
    try:
        await sleep(0)
    except BaseException:
        await sleep(0)
    try:
        await wait_for(next_of("it2"), 2)
    except BaseException:
        log("v")
async def b():
    async for x in it:
        log(x)
        await next_of("it")
    try:
        await close("it")
    except RuntimeError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235276
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(3)
    await sleep(0)
    log("b")
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    try:
        async for x in it:
            log(x)
            log("step")
    except Err:
        log("w")
    try:
        await close("it")
    except CancelledError:
        log("u")
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(1)
    await next_of("it")
    try:
        await next_of("it2")
    except TimeoutError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235297
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    log("b")
    yield 0
async def h():
    log("c")
    await sleep(1)
    yield 0
async def a():
    try:
        await next_of("it2")
    except BaseException:
        log("u")
    await wait_for(next_of("it"), 2)
    try:
        await next_of("it")
    except Err:
        raise Err("u")
    await sleep(1)
async def b():
    await next_of("it")
    try:
        await next_of("it")
    except Err:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235555
# it = g
# it2 = h
async def g():
    for _ in range(3):
        yield 1
        yield 2
        yield 3
    yield 4
    yield 0
async def h():
    yield 5
    yield 0
async def a():
    async with timeout(3):
        async with aclosing(it2):
            await sleep(1)
            log("step")
        await next_of("it2")
    await next_of("it")
    await next_of("it2")
async def b():
    async with aclosing(it):
        await next_of("it")
    try:
        async with aclosing(it2):
            await close("it2")
    except Err:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235583
# it = g
# it2 = h
async def g():
    await sleep(1)
    await sleep(2)
    await sleep(0)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
async def a():
    await next_of("it2")
    await sleep(1)
    await next_of("it")
async def b():
    await sleep(1)
    await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    await next_of("it")
    async with aclosing(it):
        await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235782
# it = g
# it2 = h
async def g():
    raise Err("x")
    yield 1
    yield 2
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    await close("it")
    await next_of("it")
    await close("it")
    try:
        await wait_for(next_of("it2"), 3)
    except TimeoutError:
        log("v")
        raise
    async for x in it:
        log(x)
        break
async def b():
    await next_of("it")
    await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235804
# it = g
# it2 = h
async def g():
    yield 1
    log("f")
    yield 2
    yield 3
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    try:
        await wait_for(next_of("it2"), 2)
    except Err:
        log("w")
    try:
        log("step")
    except BaseException:
        log("v")
async def b():
    await next_of("it")
    await next_of("it")
    await close("it")
    try:
        async with aclosing(it):
            log("step")
            await next_of("it")
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 235880
# it = g
# it2 = h
async def g():
    yield 1
    for _ in range(3):
        continue
        yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    await next_of("it")
    await next_of("it")
async def b():
    async for x in it2:
        log(x)
    await next_of("it")
    try:
        async with timeout(1):
            await next_of("it")
            await next_of("it")
            await sleep(2)
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(a)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 235946
# it = g
# it2 = h
async def g():
    await sleep(3)
    yield 0
async def h():
    for _ in range(3):
        log("a")
    yield 1
    yield 2
    yield 0
async def a():
    try:
        async with timeout(3):
            await next_of("it2")
    except TimeoutError:
        log("u")
    try:
        await sleep(2)
    except CancelledError:
        log("u")
    await next_of("it2")
async def b():
    try:
        await sleep(0)
    except TimeoutError:
        log("w")
    try:
        await next_of("it2")
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 235949
# it = g
# it2 = h
async def g():
    yield 1
    for _ in range(2):
        log("e")
        yield 2
        await sleep(3)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await wait_for(next_of("it2"), 2)
    try:
        await sleep(2)
    except BaseException:
        log("w")
async def b():
    await next_of("it2")
    try:
        async with timeout(3):
            await next_of("it")
            await next_of("it2")
    except TimeoutError:
        log("v")
    await next_of("it")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 236039
# it = g
# it2 = h
async def g():
    await sleep(0)
    log("c")
    await sleep(0)
    await sleep(0)
    yield 1
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    async with aclosing(it):
        await close("it")
        log("step")
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    await sleep(2)
    await wait_for(next_of("it2"), 2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 236077
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(1)
async def a():
    try:
        await next_of("it")
    except BaseException:
        log("w")
    try:
        async with aclosing(it):
            await next_of("it2")
    except RuntimeError:
        await sleep(1)
    try:
        await next_of("it")
    except TimeoutError:
        log("u")
    await next_of("it2")
async def b():
    log("step")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 236160
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    log("d")
    yield 0
async def h():
    yield 2
    yield 3
    yield 4
    log("d")
    yield 0
async def a():
    await next_of("it2")
    async for x in it:
        log(x)
        await wait_for(next_of("it2"), 3)
    await sleep(1)
    async for x in it:
        log(x)
        async for x in it:
            log(x)
async def b():
    try:
        async for x in it2:
            log(x)
            break
    except Err:
        await sleep(2)
    await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 236250
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    log("a")
    await sleep(1)
    log("c")
    yield 2
    log("b")
    await sleep(1)
    yield 0
async def a():
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        raise Err("w")
async def b():
    await next_of("it")
    await next_of("it")
    await next_of("it")
    try:
        await next_of("it2")
    except CancelledError:
        await sleep(0)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 236267
# it = g
# it2 = h
async def g():
    yield 1
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("w")
async def a():
    try:
        async for x in it2:
            log(x)
            break
    except BaseException:
        log("v")
    try:
        await close("it")
    except BaseException:
        log("v")
    try:
        await close("it2")
    except RuntimeError:
        log("u")
async def b():
    await close("it2")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 236345
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    await sleep(2)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
        await sleep(0)
async def a():
    try:
        await next_of("it2")
    except TimeoutError:
        log("u")
    try:
        await next_of("it2")
    except RuntimeError:
        log("w")
    await close("it2")
    await next_of("it")
async def b():
    await next_of("it2")
    await next_of("it")
    try:
        async for x in it:
            log(x)
            break
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 236634
# it = g
# it2 = h
async def g():
    log("b")
    await sleep(1)
    await sleep(1)
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    await close("it2")
    await close("it2")
async def b():
    await next_of("it")
    await sleep(2)
    try:
        try:
            log("step")
            log("step")
            await close("it")
        except TimeoutError:
            await sleep(1)
            pass
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 236684
# it = g
# it2 = h
async def g():
    log("b")
    yield 1
    yield 2
    for _ in range(3):
        raise Err("x")
        yield 3
    await sleep(1)
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
        log("v")
async def a():
    async with timeout(2):
        async for x in it:
            log(x)
            log("step")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(0)
    try:
        await next_of("it")
    except TimeoutError:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 236757
# it = g
# it2 = h
async def g():
    await sleep(1)
    yield 1
    yield 0
async def h():
    yield 2
    await sleep(0)
    await sleep(0)
    await sleep(1)
    yield 0
async def a():
    async for x in it2:
        log(x)
    async with timeout(1):
        await next_of("it")
        await next_of("it")
        await next_of("it")
async def b():
    await next_of("it")
    await close("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(a)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 236855
# it = g
# it2 = h
async def g():
    await sleep(0)
    log("d")
    log("e")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        await sleep(1)
    except BaseException:
        await sleep(1)
    await next_of("it2")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        log("w")
    try:
        await next_of("it")
    except CancelledError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(1)
    cancel(a)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 236968
# it = g
# it2 = h
async def g():
    yield 1
    log("d")
    for _ in range(2):
        yield 2
    yield 0
async def h():
    log("a")
    yield 0
async def a():
    await wait_for(next_of("it"), 2)
    try:
        await wait_for(next_of("it"), 2)
    except Err:
        await sleep(0)
async def b():
    await sleep(0)
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    try:
        async for x in it:
            log(x)
            await next_of("it")
    except Err:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(2)
    cancel(b)
    await sleep(0)
    cancel(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 237148
# it = g
# it2 = h
async def g():
    return
    yield 1
    await sleep(0)
    await sleep(0)
    await sleep(0)
    yield 0
async def h():
    log("b")
    await sleep(0)
    log("a")
    yield 0
async def a():
    async with timeout(2):
        await next_of("it")
        async with timeout(3):
            log("step")
            await next_of("it")
    await next_of("it")
async def b():
    await close("it")
    try:
        await next_of("it")
    except Err:
        await sleep(1)
    await next_of("it")
    try:
        await next_of("it")
    except BaseException:
        await sleep(1)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 237309
# it = g
# it2 = h
async def g():
    log("d")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(2)
async def a():
    await next_of("it2")
    try:
        await wait_for(next_of("it"), 2)
    except BaseException:
        await sleep(1)
    try:
        await next_of("it2")
    except CancelledError:
        log("w")
    try:
        await next_of("it2")
    except TimeoutError:
        log("w")
async def b():
    await close("it2")
    try:
        log("step")
    except BaseException:
        log("w")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 237429
# it = g
# it2 = h
async def g():
    yield 1
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(0)
async def a():
    try:
        await sleep(0)
    except BaseException:
        await sleep(2)
    await next_of("it2")
async def b():
    await next_of("it2")
    async with timeout(3):
        async with timeout(2):
            await close("it")
            log("step")
            log("step")
        async with aclosing(it):
            log("step")
    await next_of("it")
    try:
        await next_of("it")
    except CancelledError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 237432
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(0)
    yield 2
    yield 0
async def h():
    yield 3
    yield 0
async def a():
    await next_of("it2")
    async with timeout(1):
        await close("it")
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except RuntimeError:
        await sleep(0)
    async for x in it:
        log(x)
        break
    try:
        await next_of("it2")
    except Err:
        await sleep(2)
    async with aclosing(it2):
        await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 237487
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    log("b")
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
async def a():
    try:
        await next_of("it2")
    except Err:
        await sleep(1)
    async for x in it:
        log(x)
        await next_of("it")
async def b():
    try:
        await next_of("it2")
    except Err:
        log("w")
    try:
        await sleep(0)
    except RuntimeError:
        log("u")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 237593
# it = g
# it2 = h
async def g():
    try:
        log("c")
    finally:
        log("v")
    yield 0
async def h():
    await sleep(2)
    yield 1
    yield 0
async def a():
    try:
        await next_of("it")
    except CancelledError:
        await sleep(1)
    try:
        async for x in it2:
            log(x)
            log("step")
            break
    except BaseException:
        log("u")
    await next_of("it2")
    log("step")
async def b():
    await sleep(2)
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 237685
# it = g
# it2 = h
async def g():
    yield 1
    return
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        await sleep(1)
        log("w")
async def a():
    log("step")
    await close("it2")
async def b():
    await next_of("it2")
    try:
        await next_of("it")
    except BaseException:
        log("w")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    async with aclosing(it):
        await sleep(1)
        log("step")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 237943
# it = g
# it2 = h
async def g():
    try:
        log("b")
    finally:
        log("v")
        log("v")
    yield 1
    try:
        await sleep(3)
    finally:
        log("w")
        await sleep(0)
    await sleep(1)
    for _ in range(2):
        await sleep(3)
    yield 0
async def h():
    log("a")
    yield 0
async def a():
    try:
        await next_of("it2")
    except TimeoutError:
        await sleep(1)
    await next_of("it2")
async def b():
    await next_of("it")
    async with aclosing(it):
        await close("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 238321
# it = g
# it2 = h
async def g():
    log("a")
    try:
        log("f")
        await sleep(0)
    finally:
        log("w")
    await sleep(0)
    log("f")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    log("step")
    try:
        await wait_for(next_of("it"), 1)
    except BaseException:
        await sleep(2)
async def b():
    try:
        await next_of("it")
    except Err:
        log("v")
    await sleep(2)
async def main():
    spawn(a)
    spawn(b)
    await sleep(0)
    cancel(a)
    await sleep(1)
    cancel(b)
    await sleep(2)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 238346
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("v")
async def a():
    try:
        await next_of("it")
    except TimeoutError:
        await sleep(2)
    try:
        async with aclosing(it):
            log("step")
            log("step")
    except Err:
        await sleep(0)
async def b():
    try:
        await close("it")
    except Err:
        await sleep(2)
    await next_of("it2")
    await next_of("it")
    await next_of("it2")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(a)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 238420
# it = g
# it2 = h
async def g():
    await sleep(0)
    log("c")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("u")
async def a():
    async for x in it:
        log(x)
        await sleep(2)
    await next_of("it2")
    try:
        await close("it")
    except Err:
        await sleep(0)
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("v")
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        await sleep(1)
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 238442
# it = g
# it2 = h
async def g():
    log("e")
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("v")
        log("v")
async def a():
    await next_of("it")
    try:
        await sleep(1)
    except TimeoutError:
        await sleep(2)
    await next_of("it2")
    try:
        await sleep(1)
    except TimeoutError:
        log("w")
async def b():
    try:
        await next_of("it")
    except Err:
        log("u")
    await close("it")
    await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    await sleep(1)
    cancel(b)
    await sleep(0)
    cancel(b)
    await sleep(1)
    cancel(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 238501
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 0
async def h():
    try:
        async for x in it:
            yield x
    finally:
        log("w")
        log("u")
async def a():
    try:
        await sleep(1)
    except Err:
        log("w")
    await next_of("it")
    async for x in it2:
        log(x)
        break
    await wait_for(next_of("it"), 3)
async def b():
    try:
        await next_of("it")
    except CancelledError:
        log("w")
    try:
        await next_of("it")
    except BaseException:
        log("v")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 238592
# it = g
# it2 = h
async def g():
    await sleep(1)
    log("e")
    for _ in range(3):
        await sleep(0)
        for _ in range(3):
            await sleep(2)
            return
            yield 1
    log("e")
    await sleep(1)
    yield 0
async def h():
    await sleep(1)
    yield 0
async def a():
    await close("it")
    try:
        await wait_for(next_of("it"), 3)
    except RuntimeError:
        log("w")
    try:
        await next_of("it")
    except CancelledError:
        log("w")
async def b():
    await close("it")
    async for x in it2:
        log(x)
        await next_of("it")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 238603
# it = g
# it2 = h
async def g():
    yield 1
    yield 2
    yield 3
    await sleep(1)
    yield 0
async def h():
    yield 4
    yield 0
async def a():
    try:
        async with timeout(2):
            log("step")
            await next_of("it")
            log("step")
    except CancelledError:
        await sleep(1)
    await next_of("it2")
async def b():
    try:
        log("step")
    except Err:
        await sleep(0)
    try:
        async with aclosing(it2):
            log("step")
    except Err:
        await sleep(1)
    try:
        await wait_for(next_of("it"), 3)
    except Err:
        await sleep(0)
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
## 238607
# it = g
# it2 = h
async def g():
    await sleep(0)
    await sleep(3)
    yield 1
    yield 0
async def h():
    yield 2
    log("b")
    yield 0
async def a():
    try:
        async with aclosing(it):
            await wait_for(next_of("it"), 1)
    except TimeoutError:
        log("u")
    await next_of("it2")
    await wait_for(next_of("it"), 3)
    try:
        await close("it")
    except RuntimeError:
        log("u")
    await sleep(2)
async def b():
    await next_of("it")
    await next_of("it")
    try:
        await next_of("it2")
    except RuntimeError:
        log("u")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
    await close("it")
## 238616
# it = g
# it2 = h
async def g():
    yield 1
    await sleep(1)
    await sleep(0)
    yield 0
async def h():
    await sleep(0)
    yield 0
async def a():
    await close("it2")
    try:
        await close("it")
    except RuntimeError:
        raise Err("v")
    async with timeout(1):
        await close("it2")
    await next_of("it")
    await next_of("it")
async def b():
    try:
        await next_of("it")
    except BaseException:
        await sleep(1)
    await sleep(1)
    try:
        async with timeout(2):
            await next_of("it2")
            log("step")
    except RuntimeError:
        log("u")
    await close("it2")
async def main():
    spawn(a)
    spawn(b)
    try:
        await join(a)
    except BaseException:
        pass
    try:
        await join(b)
    except BaseException:
        pass
