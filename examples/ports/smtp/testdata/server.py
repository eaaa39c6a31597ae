# A server with aiosmtpd for the client of this package. It prints its port, and a line of
# JSON for each message, until its standard input ends.
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({
            "From": envelope.mail_from, "To": envelope.rcpt_tos, "Data": envelope.original_content.decode("latin-1"),
            "Secure": session.ssl is not None, "User": (session.auth_data or b"").decode(),
        }), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    ok = (data.login, data.password) == (b"ann", b"secret")
    return AuthResult(success=ok, handled=False, auth_data=data.login if ok else None)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), hostname="mx", enable_SMTPUTF8=True, tls_context=context,
                     authenticator=authenticate, data_size_limit=100_000),
        "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
