"""What the three servers share: reading the config, answering, asking another server. Standard library alone."""

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

BODY_MAX = 64 * 1024
TIMEOUT_S = 5


def read_config():
    """The JSON file named on the command line; a template of the job made it."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} CONFIG.json")
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)


class Handler(BaseHTTPRequestHandler):
    """Routes are methods named ``get_``, ``post_`` and ``delete_`` plus the first word of the path."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    body = b""

    def do_GET(self):
        self.route("get")

    def do_POST(self):
        self.route("post")

    def do_DELETE(self):
        self.route("delete")

    def route(self, verb):
        if not self.has_body_read():
            return
        word = self.path.split("?")[0].strip("/").split("/")[0] or "index"
        method = getattr(self, f"{verb}_{word}", None)
        if method is None:
            self.answer(404, {"error": f"there is no {verb.upper()} {self.path}"})
        else:
            method()

    def has_body_read(self):
        """Reads the body; answers by itself and gives False when it is too large."""
        size = self.headers.get("Content-Length") or "0"
        if not size.isdigit() or int(size) > BODY_MAX:
            self.close_connection = True
            self.answer(413, {"error": f"at most {BODY_MAX} bytes, please"})
            return False
        self.body = self.rfile.read(int(size))
        return True

    def answer(self, status, content, headers=()):
        """Sends ``content``: text as HTML, anything else as JSON."""
        if isinstance(content, str):
            kind, data = "text/html; charset=utf-8", content.encode()
        else:
            kind, data = "application/json", json.dumps(content).encode() + b"\n"
        self.send(status, [("Content-Type", kind), *headers], data)

    def send(self, status, headers, data):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(data)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format, *args):
        print(f"{self.address_string()} {format % args}", flush=True)


class KeepRedirect(HTTPRedirectHandler):
    """A redirect is an answer like any other: it is for the browser."""

    def redirect_request(self, *_):
        return None


# No proxy of the machine's environment stands between the parts of the guestbook.
OPENER = build_opener(ProxyHandler({}), KeepRedirect)


def ask(url, method="GET", data=None, headers=None, timeout_s=TIMEOUT_S):
    """(status, headers, body), whatever the status. Raises OSError when there is no answer."""
    request = Request(url, data=data, headers=headers or {}, method=method)
    try:
        with OPENER.open(request, timeout=timeout_s) as reply:
            return reply.status, reply.headers, reply.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def serve(ip, port, handler):
    """Serves until SIGTERM, then answers what it has begun and ends with 0."""
    server = Server((ip, port), handler)
    # shutdown() waits for the loop that this thread runs, so another thread has to ask for it.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on http://{ip}:{port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
