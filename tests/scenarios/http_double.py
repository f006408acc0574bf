"""What the test doubles share: an HTTP/1.1 server in threads that stops, restarts and fails on command."""

from __future__ import annotations

import http.server
import re
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

from ports import Port

Fault = Callable[[Any, int], object]
"""Answers a request in its own way; gets the handler and a number (from 1). False: answer normally."""


@dataclass
class Record:
    """One request as it came. `status` is 0 until it is answered, and stays 0 when it never is."""

    time: float  # of time.monotonic()
    method: str
    target: str  # as on the wire, with the query
    headers: HTTPMessage
    body: bytes
    status: int = 0

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded."""
        return dict(urllib.parse.parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def watch(self) -> bool:
        """Whether this opens a Kubernetes watch."""
        return self.query.get("watch") in ("1", "true")


@dataclass(frozen=True)
class Tls:
    """A throw-away CA and a server certificate, for 127.0.0.1 and localhost unless it was issued for others."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def make(cls, directory: Path) -> Tls:
        """Makes the CA and the certificate in an existing directory."""
        ca = directory / "ca.pem"
        arguments = ["-subj", "/CN=eatr test CA", "-addext", "keyUsage=critical,keyCertSign"]
        _new_certificate(ca, directory / "ca.key", *arguments)
        return cls(ca, ca, directory / "ca.key").issue("server", "IP:127.0.0.1", "DNS:localhost")

    def issue(self, stem: str, *names: str) -> Tls:
        """Makes another certificate of the same CA, for these names, in STEM.pem beside it."""
        made = Tls(self.ca, self.ca.with_name(f"{stem}.pem"), self.ca.with_name(f"{stem}.key"))
        arguments = ["-subj", "/CN=eatr test server", "-CA", self.ca, "-CAkey", self.ca.with_name("ca.key")]
        arguments += ["-addext", f"subjectAltName={','.join(names)}"]
        _new_certificate(made.cert, made.key, *arguments, "-addext", "basicConstraints=critical,CA:FALSE")
        return made


def _new_certificate(cert: Path, key: Path, *arguments: str | Path) -> None:
    command: list[str | Path] = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-batch", "-keyout", key, "-out", cert]
    subprocess.run([*command, *arguments], check=True, capture_output=True)


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads one request after the other and has the double answer it."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "double", ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    record: Record
    raw_requestline: bytes
    headers: HTTPMessage
    truncate: float | None = None  # set by a fault: send only this part of the body, then close
    edit: Callable[[Any], Any] | None = None  # set by a fault: change the JSON of the normal answer

    @property
    def double(self) -> Any:
        """The double that this connection belongs to."""
        assert isinstance(self.server, _Server)
        return self.server.double

    def setup(self) -> None:
        """Does the TLS handshake here, in the connection's own thread, so that it holds up nobody else."""
        if isinstance(self.request, ssl.SSLSocket):
            try:
                self.request.do_handshake()
            except ssl.SSLError as error:
                if error.reason == "HTTP_REQUEST":
                    _answer_plain(self.request)
                raise
        super().setup()

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        whole = length.isdigit() and "Transfer-Encoding" not in self.headers
        body = self.rfile.read(int(length)) if whole else b""
        self.truncate = self.edit = None
        self.record = Record(time.monotonic(), self.command, self.path, self.headers, body)
        self.double.requests.append(self.record)
        if whole:
            self.double.answer(self)
        else:
            self.close_connection = True
            self.reply(400, b"a request's body needs a Content-Length here", "text/plain")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def reply(
        self,
        status: int,
        body: bytes | str = b"",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Sends a whole answer, or the part of it that `truncate` allows."""
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": content_type, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.truncate is not None:
            data = data[: int(len(data) * self.truncate)]
            self.close_connection = True
        self.wfile.write(data)
        self.wfile.flush()

    def start_stream(self, content_type: str = "application/json") -> None:
        """Begins a chunked answer of status 200; its head is sent at once."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def send_chunk(self, data: bytes) -> None:
        """Sends a chunk of a stream; an empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def client_gone(self) -> bool:
        """Whether the client has closed: nothing else is readable while it waits for its answer."""
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLHUP)
        return bool(poll.poll(0))

    def send_response(self, code: int, message: str | None = None) -> None:
        """Notes the status in the record, just before it is sent."""
        self.record.status = code
        super().send_response(code, message)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Keeps a record of what is not even HTTP, too."""
        self.record = Record(time.monotonic(), "", "", HTTPMessage(), self.raw_requestline)
        self.double.requests.append(self.record)
        super().send_error(code, message, explain)

    def date_time_string(self, timestamp: int | None = None) -> str:
        """The Date header, by the double's own clock."""
        return super().date_time_string(int(self.double.now()) if timestamp is None else timestamp)

    def log_message(self, *_: object) -> None:
        """Says nothing: the records tell more."""


def _answer_plain(connection: ssl.SSLSocket) -> None:
    """As Go's servers answer HTTP where they expect TLS."""
    socket.socket.recv(connection, 1 << 16)
    text = b"Client sent an HTTP request to an HTTPS server.\n"
    socket.socket.send(connection, b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n" + text)


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, double: Double) -> None:
        self.double = double
        self.connections: set[socket.socket] = set()
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", double.port), Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks the DNS for the host's name

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        if self.double.context is not None:
            request = self.double.context.wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
        with self.changed:
            self.connections.add(request)
        return request, address

    def close_request(self, request: Any) -> None:
        super().close_request(request)
        with self.changed:
            self.connections.discard(request)
            self.changed.notify_all()

    def cut(self, timeout: float = 5) -> None:
        """Ends every connection and waits until their threads have let go of them."""
        with self.changed:
            cut = set(self.connections)
            for connection in cut:
                try:
                    socket.socket.shutdown(
                        connection, socket.SHUT_RDWR
                    )  # not SSLSocket's, which is not thread-safe
                except OSError:
                    pass
            if not self.changed.wait_for(lambda: not cut & self.connections, timeout):
                raise AssertionError("connections of a double that was stopped don't end")

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, (OSError, ValueError)) and not isinstance(error, UnicodeError):
            return  # the peer went away, or stop() cut the connection
        self.double.errors.append(traceback.format_exc())
        traceback.print_exc()


class Double:
    """A server on 127.0.0.1 that keeps its port over stop() and start(), and has it from the beginning."""

    def __init__(self, *, port: int = 0, tls: Tls | None = None) -> None:
        self.requests: list[Record] = []
        self.errors: list[str] = []  # tracebacks of the double's own mistakes
        self.clock_offset = 0.0  # seconds that this server's clock is ahead
        self.tls = tls
        self.context: ssl.SSLContext | None = None
        if tls is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls.cert, tls.key)
            self.context.set_alpn_protocols(["http/1.1"])
        self._port = Port(number=port)
        self.port = self._port.number
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it serves; false as soon as stop() begins."""
        return self._server is not None

    def now(self) -> float:
        """The time by this server's clock."""
        return time.time() + self.clock_offset

    def start(self) -> None:
        """Serves from now on; what it knew before stop() it still knows."""
        assert self._server is None, "already started"
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes the port (connections are refused from now on) and cuts every connection."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()
            server.cut()

    def cut_connections(self) -> None:
        """Cuts every connection and goes on serving."""
        if self._server is not None:
            self._server.cut()

    def matching(self, method: str | None = None, path: str = "", watch: bool | None = None) -> list[Record]:
        """The requests so far of this method, with the regex `path` in path or query, watch or not."""
        return [
            record
            for record in list(self.requests)
            if method in (None, record.method)
            and re.search(path, record.target)
            and watch in (None, record.watch)
        ]

    def answer(self, handler: Handler) -> None:
        """Answers one request; each double has its own."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._port.close()
