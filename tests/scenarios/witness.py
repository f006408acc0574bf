"""API servers that note how each request came to them, and proxies in Python that note what they let through."""

from __future__ import annotations

import base64
import contextlib
import re
import selectors
import socket
import socketserver
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api_server import ApiServer
from http_double import Handler, Tls

_API = re.compile(r"(.*?)(/(?:apis?|version|readyz|livez|healthz)(?:[/?].*)?)$")
_PIECE = 1 << 16


@dataclass(frozen=True)
class Arrival:
    """How a request came: all that a kubeconfig decides."""

    server: str  # which of the servers
    host: str  # the Host header
    prefix: str  # of the path
    sni: str | None
    subject: str  # of the client certificate; "": none
    authorization: str
    impersonation: tuple[tuple[str, str], ...]
    passage: str  # the proxy, its user, and what it was asked for; "": none


class Passages:
    """Which proxy a connection to a server comes from, by its port at the proxy's end."""

    def __init__(self) -> None:
        self._by_port: dict[int, str] = {}

    def add(self, outgoing: socket.socket, what: str) -> None:
        """A proxy has connected; nothing has been sent yet."""
        self._by_port[outgoing.getsockname()[1]] = what

    def of(self, port: int) -> str:
        """What came from this port, or ""."""
        return self._by_port.get(port, "")

    def forget(self) -> None:
        """The port may be somebody else's from now on."""
        self._by_port.clear()


class Witness(ApiServer):
    """An API server that answers everybody and keeps `arrivals`.

    It asks for a client certificate, and takes one of `clients`, a file with authorities, or none.
    """

    def __init__(self, name: str, passages: Passages, *, tls: Tls | None = None, clients: Path | None = None):
        super().__init__(tls=tls)
        self.name = name
        self.arrivals: list[Arrival] = []
        self._passages = passages
        if self.context is not None:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            self.context.load_verify_locations(clients)
            self.context.sni_callback = _note_sni

    def answer(self, handler: Handler) -> None:
        """Notes how the request came, and answers it as if it had no prefix."""
        record = handler.record
        match = _API.match(record.target)
        prefix, record.target = match.groups() if match else ("", record.target)
        headers = [(name.lower(), value) for name, value in record.headers.items()]
        self.arrivals.append(
            Arrival(
                self.name,
                record.headers.get("Host", "").removesuffix(":443"),  # curl leaves it out
                prefix,
                getattr(handler.connection, "sni", None),
                _subject(handler.connection),
                record.headers.get("Authorization", ""),
                tuple(sorted(header for header in headers if header[0].startswith("impersonate-"))),
                self._passages.of(handler.client_address[1]),
            )
        )
        super().answer(handler)


def _note_sni(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
    connection.sni = name.lower() if name else None  # curl's is


def _subject(connection: Any) -> str:
    found = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    parts = [f"{name}={value}" for rdn in (found or {}).get("subject", ()) for name, value in rdn]
    return ", ".join(parts)


# Proxies ------------------------------------------------------------------------------------------------


class Proxy:
    """A proxy on 127.0.0.1 that lets through to `routes`, HOST:PORT to a port of this machine, whatever the
    host's real address; and to 127.0.0.1.

    Without `socks` it is an HTTP proxy, over TLS if there is `tls`. `login` is USER:PASSWORD.
    """

    def __init__(
        self,
        name: str,
        passages: Passages,
        routes: Mapping[str, int],
        *,
        socks: bool = False,
        tls: Tls | None = None,
        login: str = "",
    ) -> None:
        self.name, self.socks, self.login = name, socks, login
        self.refused: list[str] = []  # what it did not let through
        self._passages, self._routes = passages, routes
        self.context: ssl.SSLContext | None = None
        if tls is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls.cert, tls.key)
        self._server = _ProxyServer(self)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self, client: socket.socket) -> None:
        """One connection, to its end."""
        if self.context is not None:
            client = self.context.wrap_socket(client, server_side=True)
        with client:
            peer = self._socks(client) if self.socks else self._http(client)
            if peer is not None:
                with peer:
                    _relay(client, peer)

    def connect(self, target: str) -> socket.socket | None:
        """A connection to HOST:PORT, noted; None if that is nowhere."""
        host, _, port = target.rpartition(":")
        there = int(port) if host in ("127.0.0.1", "localhost") else self._routes.get(target)
        if there is None:
            self.refused.append(target)
            return None
        peer = socket.create_connection(("127.0.0.1", there))
        user = f" as {self.login.partition(':')[0]}" if self.login else ""
        self._passages.add(peer, f"{self.name}{user} to {target}")
        return peer

    def _http(self, client: socket.socket) -> socket.socket | None:
        head = _until(client, b"\r\n\r\n").decode()
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ")
        wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
        if self.login and f"proxy-authorization: {wanted}".lower() not in [header.lower() for header in rest]:
            self.refused.append(target)
            challenge = 'Proxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            client.sendall(f"HTTP/1.1 407 Who are you\r\n{challenge}".encode())
            return None
        if method == "CONNECT":
            peer = self.connect(target)
            known = b"200 OK" if peer is not None else b"502 Nobody there"
            client.sendall(b"HTTP/1.1 %s\r\n\r\n" % known)
            return peer
        host, slash, path = target.removeprefix("http://").partition("/")
        peer = self.connect(host if ":" in host else f"{host}:80")
        if peer is not None:
            peer.sendall("\r\n".join([f"{method} {slash}{path} HTTP/1.1", *rest]).encode())
        return peer

    def _socks(self, client: socket.socket) -> socket.socket | None:
        """RFC 1928, and RFC 1929 for the login."""
        _, count = _exactly(client, 2)
        methods = _exactly(client, count)
        chosen = 2 if self.login else 0
        if chosen not in methods:
            self.refused.append("without a login")
            client.sendall(b"\x05\xff")
            return None
        client.sendall(bytes([5, chosen]))
        if self.login:
            user = _exactly(client, _exactly(client, 2)[1])
            password = _exactly(client, _exactly(client, 1)[0])
            good = user + b":" + password == self.login.encode()
            client.sendall(bytes([1, 0 if good else 1]))
            if not good:
                self.refused.append("with a wrong login")
                return None
        peer = self.connect(_socks_target(client))
        client.sendall(bytes([5, 0 if peer is not None else 4, 0, 1, 0, 0, 0, 0, 0, 0]))
        return peer


def _socks_target(client: socket.socket) -> str:
    kind = _exactly(client, 4)[3]
    if kind == 1:
        host = socket.inet_ntop(socket.AF_INET, _exactly(client, 4))
    elif kind == 4:
        host = f"[{socket.inet_ntop(socket.AF_INET6, _exactly(client, 16))}]"
    else:
        host = _exactly(client, _exactly(client, 1)[0]).decode()
    return f"{host}:{int.from_bytes(_exactly(client, 2), 'big')}"


class _ProxyHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _ProxyServer)
        with contextlib.suppress(OSError):  # either side went away, or did not like the certificate
            self.server.proxy.serve(self.request)


class _ProxyServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _ProxyHandler)


def _exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += client.recv(count - len(data)) or _gone()
    return data


def _until(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += client.recv(1) or _gone()
    return data


def _gone() -> bytes:
    raise ConnectionError("the client is gone")


def _relay(client: socket.socket, peer: socket.socket) -> None:
    """Copies both ways until one side ends."""
    other = {client: peer, peer: client}
    with selectors.DefaultSelector() as selector:
        for one in other:
            selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                one: Any = key.fileobj
                data = one.recv(_PIECE)
                while isinstance(one, ssl.SSLSocket) and one.pending():
                    data += one.recv(_PIECE)
                if not data:
                    return
                other[one].sendall(data)
