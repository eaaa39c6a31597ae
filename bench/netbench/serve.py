"""A server on asyncio or uvloop, for netbench: serve.py LOOP STYLE TLS FILE."""
import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import tempfile


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class EchoDatagram(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        host, port = transport.get_extra_info("sockname")
        print(f"{host}:{port}", flush=True)

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def stream(reader, writer):
    with contextlib.suppress(ConnectionError):  # the load has enough
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def context():
    """A certificate for this run."""
    with tempfile.TemporaryDirectory() as tmp:
        key, crt = os.path.join(tmp, "key"), os.path.join(tmp, "crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", crt], check=True,
                       stderr=subprocess.DEVNULL)
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(crt, key)
        return ctx


def sender(path):
    async def send(reader, writer):
        with open(path, "rb") as file:
            await asyncio.get_running_loop().sendfile(writer.transport, file)
        writer.close()
    return send


async def main(style, tls, path):
    ctx = context() if tls else None
    if style == "datagram":
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(EchoDatagram, local_addr=("127.0.0.1", 0))
        await loop.create_future()
    if style:
        handler = sender(path) if style == "sendfile" else stream
        server = await asyncio.start_server(handler, "127.0.0.1", 0, backlog=1024, ssl=ctx)
    else:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024, ssl=ctx)
    host, port = server.sockets[0].getsockname()
    print(f"{host}:{port}", flush=True)
    await server.serve_forever()


kind, style, tls, path = sys.argv[1:]
if kind == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main(style, tls == "true", path))
