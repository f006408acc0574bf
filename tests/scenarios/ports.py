"""TCP ports that stay ours until the tests end, whoever else opens connections meanwhile."""

from __future__ import annotations

import socket


class Port:
    """A port that is bound, but not listened on.

    A server that sets SO_REUSEADDR, as servers do, can listen on it as often as it likes; the kernel gives it
    to nobody who asks for any port, and to no outgoing connection.
    """

    def __init__(self, host: str = "127.0.0.1", number: int = 0) -> None:
        """Takes this port, or (0) one that is free."""
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, number))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Lets go of it."""
        self._socket.close()
