"""A client of a line protocol, on a protocol class, as mail clients have it."""
import asyncio
import ssl


class Protocol(asyncio.StreamReaderProtocol):
    def __init__(self, loop):
        self._loop = loop
        self._buffer = bytearray()
        self._waiter = None
        self._command_lock = asyncio.Lock()

    def connection_made(self, transport: asyncio.Transport):
        self.transport = transport
        self._waiter = self._loop.create_future()

    def data_received(self, data):
        self._buffer.extend(data)
        if b"\n" in data and self._waiter is not None:
            self._waiter.set_result(bytes(self._buffer))  # want: set-result

    def connection_lost(self, exc):
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError())
        self._loop.call_soon(self.on_closed)  # want: callback

    def on_closed(self):
        pass

    async def read_response(self, timeout=None):
        try:
            return await asyncio.wait_for(self._waiter, timeout)  # want: no-timeout
        except asyncio.TimeoutError as exc:
            raise TimeoutError("no response") from exc
        finally:
            self._waiter = None

    async def execute(self, *args, timeout=10):
        async with self._command_lock:
            self.transport.write(b" ".join(args) + b"\r\n")
            return await self.read_response(timeout=timeout)

    async def starttls(self, context: ssl.SSLContext):
        await self.execute(b"STARTTLS")
        self.transport = await self._loop.start_tls(self.transport, self, context, ssl_handshake_timeout=30.0)  # want: seconds


async def connect(host, port, timeout=None):
    loop = asyncio.get_running_loop()
    connecting = loop.create_connection(lambda: Protocol(loop), host, port)
    try:
        transport, protocol = await asyncio.wait_for(connecting, timeout=timeout)  # want: no-timeout
    except BaseException:
        raise
    return protocol


async def send_all(messages, host):
    client = await connect(host, 25)
    try:
        results = await asyncio.gather(*(client.execute(b"MAIL", m) for m in messages))  # want: gather-list
    except asyncio.CancelledError:
        client.transport.abort()
        raise
    except Exception:
        client.transport.abort()
        results = []
    return results
