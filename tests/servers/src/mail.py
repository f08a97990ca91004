"""A mail server that keeps what it is given in a Maildir: FOLDER PORT USER PASSWORD [CERTIFICATE KEY]."""

import asyncio
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

folder, port, user, password, *pair = sys.argv[1:]
context = None
if pair:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)


def authenticate(server, session, envelope, mechanism, login):
    known = LoginPassword(user.encode(), password.encode())
    return AuthResult(success=login == known, handled=False)


def session():
    return SMTP(
        Mailbox(folder),
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=context is not None,
        require_starttls=context is not None,
        tls_context=context,
    )


async def serve():
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", int(port))
    await server.serve_forever()


asyncio.run(serve())
