"""An application over https on localhost, with a certificate that it signs itself."""

from __future__ import annotations

import contextlib
import ssl
import threading
from datetime import datetime, timedelta, timezone
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.process import HOST

DAY = timedelta(days=1)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds that a connection may say nothing

    def get_environ(self):
        """Tell the application the scheme, as a server in front of it would."""
        return {**super().get_environ(), "HTTPS": "on"}

    def handle(self):
        """Serve a request, unless the browser has thought better of it."""
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *arguments):
        """Say nothing."""


@contextlib.contextmanager
def served(app, folder):
    """Serve the application during the block; give its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder / "localhost.pem"))
    with _Server((HOST, 0), _Handler) as server:
        server.set_app(app)
        # The handshake is left to the thread of each connection: a slow one stops no other.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


def certificate(path):
    """Write a key and a certificate of localhost into a file; give its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = serialization.Encoding.PEM
    spelled = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(spelled + builder.sign(key, hashes.SHA256()).public_bytes(pem))
    return path
