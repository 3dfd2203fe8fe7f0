"""A proxy for clients whose address is fixed: it answers CONNECT to any host with our own certificate and passes requests on.

Callers get the address 8.8.8.8, because nobody has a record for 127.0.0.1. Not here: caching, or any change of answers.

usage: shim.py UPSTREAM_PORT CERTIFICATE KEY, which prints its own port.
"""

import http.client
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

upstream, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


class Shim(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_CONNECT(self):  # pylint: disable=invalid-name
        """Becomes the host that was asked for."""
        self.send_response(200)
        self.end_headers()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def pass_on(self):
        """Passes a request on, and its answer back."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = dict(self.headers.items()) | {"x-forwarded-for": "8.8.8.8"}
        server = http.client.HTTPConnection("127.0.0.1", upstream, timeout=20)
        server.request(self.command, self.path, body or None, headers)
        answer = server.getresponse()
        body = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        server.close()

    do_GET = do_POST = pass_on

    def log_message(self, *_):
        """Says nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Shim)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
