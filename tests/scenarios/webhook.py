"""An admission webhook of the API server: it denies or allows what it is asked about, as it is told."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from base64 import b64encode
from types import TracebackType
from typing import Any

from control_plane import ControlPlane
from http_double import Tls

API = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Webhook:
    """Asked about Secrets in the namespaces with the label guard=NAME, for those operations."""

    def __init__(self, cluster: ControlPlane, tls: Tls, name: str, *operations: str) -> None:
        """Nothing is asked before `with`; operations are "CREATE" and the like."""
        self.cluster = cluster
        self.tls = tls
        self.name = name
        self.operations = operations
        self.denies: str | None = "it is not allowed here"
        self.code = 403
        self.asked = 0

    def __enter__(self) -> Webhook:
        """Listens, and has the API server ask."""
        self.listen()
        self._register()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Has it ask no more."""
        self.cluster.request("DELETE", f"{API}/{self.name}.eatr.test")
        self.leave()

    def listen(self, port: int = 0) -> None:
        """Begins to answer."""
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(hook.answer(review)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.tls.cert, self.tls.key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def leave(self) -> None:
        """Nobody answers any more."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, review: Any) -> Any:
        """What it says to an AdmissionReview."""
        self.asked += 1
        response: dict[str, Any] = {"uid": review["request"]["uid"], "allowed": self.denies is None}
        if self.denies is not None:
            response["status"] = {"message": self.denies, "code": self.code}
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

    def _register(self) -> None:
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}
        hook = {
            "name": f"{self.name}.eatr.test",
            "clientConfig": {
                "url": f"https://127.0.0.1:{self.port}/",
                "caBundle": b64encode(self.tls.ca.read_bytes()).decode(),
            },
            "rules": [{**rule, "operations": list(self.operations)}],
            "namespaceSelector": {"matchLabels": {"guard": self.name}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 3,
            "admissionReviewVersions": ["v1"],
        }
        body = {"metadata": {"name": f"{self.name}.eatr.test"}, "webhooks": [hook]}
        status, answer = self.cluster.request("POST", API, body)
        assert status == 201, answer
