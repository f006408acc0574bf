#!/usr/bin/python3
"""A real Kubernetes control plane on loopback, for tests.

``ControlPlane`` starts etcd, kube-apiserver and (where there is one) kube-controller-manager from a
folder of programs, see ``tests/control-plane/build``. Every process of it can be killed, paused and
started again, and a small API client looks at what the program under test did:

    with ControlPlane(assets, workdir) as cluster:
        cluster.create_namespaces(["one", "two"])
        cluster.kubeconfig(workdir / "kubeconfig")

Run as a program it starts a control plane to poke at, until it is interrupted:

    control_plane.py [FOLDER-OF-PROGRAMS]

The flags are those that Kubernetes 1.20 and all later versions have, so that KUBEBUILDER_ASSETS may
point at any of them.
"""

from __future__ import annotations

import base64
import ctypes
import http.client
import json
import os
import queue
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from ports import Port

ETCD = "etcd"
APISERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"

CONTROLLERS = ("namespace", "serviceaccount", "serviceaccount-token", "garbagecollector")
"""Namespaces really go away, and every new one gets its ServiceAccount ``default``."""

USER_AGENT = "eatr-tests"
"""What the API client of this module calls itself, so that audit events can be told apart."""

START_TIMEOUT = 120.0
"""Seconds until something that is started must be ready: a loaded machine takes long."""

STOP_TIMEOUT = 90.0
"""Seconds until a signalled process must be gone: kube-apiserver gives open requests 60 s."""

IDLE_LIMIT = 30.0
"""Seconds after which an idle connection is not used again: the server closes it after 90."""

Json = Any
"""A parsed JSON value."""


class ControlPlaneError(Exception):
    """A process of the control plane does not do what it should."""


class ApiError(ControlPlaneError):
    """The API server answered a request with an error."""

    def __init__(self, what: str, status: int, body: Json) -> None:
        """Keep the answer: ``status`` is the HTTP status, ``body`` mostly a Status object."""
        message = body.get("message", body) if isinstance(body, dict) else body
        super().__init__(f"{what}: {status} {message}")
        self.status = status
        self.body = body


def wait_until(condition: Callable[[], object], what: str, timeout: float = 30.0,
               interval: float = 0.05) -> None:
    """Return as soon as ``condition()`` is true; TimeoutError naming ``what`` if it never is."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(interval)


_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with(parent: int) -> Callable[[], None]:
    """What a child runs before exec, so that it is killed when the process ``parent`` dies."""

    def run() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the prctl
            os._exit(1)

    return run


class _Server:
    """One process of the control plane: its command, its log, and whether it runs."""

    def __init__(self, name: str, command: Sequence[str | Path], workdir: Path,
                 is_ready: Callable[[], bool]) -> None:
        self.name = name
        self.is_ready = is_ready
        self.log = workdir / f"{name}.log"
        self._command = [str(argument) for argument in command]
        self._workdir = workdir
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def spawn(self) -> None:
        """Start the process; its output is appended to the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._workdir, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": os.defpath, "HOME": str(self._workdir)},
                start_new_session=True,  # the terminal's Ctrl-C is for the tests
                preexec_fn=_die_with(os.getpid()))
        self._stopped = False

    def signal(self, sig: int) -> None:
        """Send a signal; an error if the process is gone already."""
        if self._process is None or self._process.poll() is not None:
            raise ControlPlaneError(f"{self.name} is not running")
        self._process.send_signal(sig)

    def kill(self, sig: int) -> None:
        """Send a signal that ends the process, and wait for that end."""
        self._stopped = True
        self.signal(sig)
        assert self._process is not None
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise ControlPlaneError(f"{self.name} still runs {STOP_TIMEOUT:g} s after signal {sig}"
                                    ) from None

    def check(self) -> None:
        """An error with the end of the log if the process died of itself."""
        if self._process is None or self._stopped:
            return
        status = self._process.poll()
        if status is not None:
            how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
            raise ControlPlaneError(f"{self.name} died ({how}); the end of {self.log}:\n"
                                    f"{self.log_tail()}")

    def log_tail(self, lines: int = 25) -> str:
        """The last lines of the log."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 65536))
            text = log.read().decode(errors="replace")
        return "\n".join("    " + line for line in text.splitlines()[-lines:])


class _Pki:
    """The throw-away CA of a control plane, and what it signed."""

    CONFIG = """\
[req]
distinguished_name = dn
prompt = no
[dn]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700)
        self._config = folder / "openssl.cnf"
        self._config.write_text(self.CONFIG)
        self.ca, self._ca_key = self._certificate("ca", "ca", "/CN=eatr-tests-ca")
        self.server, self.server_key = self._certificate("server", "server", "/CN=kube-apiserver")
        self.admin, self.admin_key = self._certificate(
            "admin", "client", "/O=system:masters/CN=eatr-tests-admin")
        self.controllers, self.controllers_key = self._certificate(
            "controller-manager", "client", f"/CN=system:{CONTROLLER_MANAGER}")
        self.service_account_key = folder / "service-account.key"
        self.service_account_public = folder / "service-account.pub"
        self._openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                      "-out", self.service_account_key)
        self._openssl("pkey", "-in", self.service_account_key, "-pubout",
                      "-out", self.service_account_public)

    def client(self, name: str, subject: str) -> tuple[Path, Path]:
        """A client certificate and its key for a subject such as ``/O=group/CN=user``."""
        return self._certificate(name, "client", subject, days=30)

    def another_authority(self) -> Path:
        """The certificate of a second CA, which has one for the server, too."""
        ca = self._certificate("other-ca", "ca", "/CN=eatr-tests-other-ca")
        self._other = self._certificate("other-server", "server", "/CN=kube-apiserver", ca)
        return ca[0]

    def change_server(self) -> None:
        """Put that certificate in the place of the server's."""
        for old, new in zip((self.server, self.server_key), self._other):
            new.replace(old)

    def _certificate(self, name: str, extensions: str, subject: str,
                     ca: tuple[Path, Path] | None = None, days: int = 90) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        signer: list[str | Path] = []
        if extensions != "ca":
            ca = ca or (self.ca, self._ca_key)
            signer = ["-CA", ca[0], "-CAkey", ca[1]]
        self._openssl("req", "-x509", "-config", self._config, "-extensions", extensions, *signer,
                      "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
                      "-days", str(days), "-subj", subject, "-out", certificate, "-keyout", key)
        return certificate, key

    def _openssl(self, *arguments: str | Path) -> None:
        try:
            subprocess.run(["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env={"PATH": os.defpath, "HOME": str(self._folder)})
        except FileNotFoundError:
            raise ControlPlaneError("the program openssl is missing: install openssl") from None
        except subprocess.CalledProcessError as error:
            raise ControlPlaneError(f"openssl {arguments[0]}: {error.output.decode()}") from None


class _Api:
    """An HTTP client for the API server: as many connections as threads use it at once."""

    def __init__(self, port: int, pki: _Pki) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(pki.ca))
        self._tls.load_cert_chain(pki.admin, pki.admin_key)
        self._idle: queue.LifoQueue[tuple[float, http.client.HTTPSConnection]] = queue.LifoQueue()

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
                timeout: float) -> tuple[int, Json]:
        """Send one request and read the whole answer; never sends anything twice."""
        connection = self._connection(timeout)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        self._idle.put((time.monotonic(), connection))
        if "json" in answer.headers.get("Content-Type", ""):
            return answer.status, json.loads(content)
        return answer.status, content.decode(errors="replace")

    def trust(self, ca: Path) -> None:
        """Take another CA's word for the server, too."""
        self._tls.load_verify_locations(str(ca))

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while True:
            try:
                self._idle.get_nowait()[1].close()
            except queue.Empty:
                return

    def _connection(self, timeout: float) -> http.client.HTTPSConnection:
        while True:
            try:
                since, connection = self._idle.get_nowait()
            except queue.Empty:
                return http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls,
                                                   timeout=timeout)
            if time.monotonic() - since < IDLE_LIMIT:
                connection.timeout = timeout
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                return connection
            connection.close()


class ControlPlane:
    """etcd, kube-apiserver and kube-controller-manager on free ports of 127.0.0.1.

    Everything they write is below ``workdir``: ``etcd.log``, ``kube-apiserver.log``,
    ``kube-controller-manager.log``, ``audit.log``, the keys and the data.

    The processes die with this Python process, however that ends. Used from several threads the
    API client is safe; starting, killing and stopping is for one thread at a time.
    """

    url: str
    """Where the API server is: https://127.0.0.1:PORT."""
    ca_file: Path
    """The certificate of the CA that signed the server's."""
    admin_cert: Path
    """The client certificate of a cluster administrator."""
    admin_key: Path
    """The key of ``admin_cert``."""
    audit_log: Path
    """One JSON object a line, see ``audit_events``."""

    def __init__(self, assets: Path, workdir: Path, *, controllers: Sequence[str] = CONTROLLERS,
                 apiserver_flags: Sequence[str] = ()) -> None:
        """Take the programs in ``assets``; ``workdir`` is made by ``start`` if it does not exist.

        ``controllers`` are those of kube-controller-manager. With the default ones each new
        namespace means three more writes in the background, for 10,000 of them more than a minute
        of load: a test of speed may want no more than ``("namespace",)``.

        ``apiserver_flags`` are more flags for kube-apiserver, such as ``--goaway-chance=0.01``.
        """
        self.assets = Path(assets).absolute()
        self.workdir = Path(workdir).absolute()
        self.audit_log = self.workdir / "audit.log"
        self._controllers = controllers
        self._apiserver_flags = apiserver_flags
        self._servers: dict[str, _Server] = {}
        self._ports: list[Port] = []
        self._pki: _Pki | None = None
        self._api: _Api | None = None
        self._spawner: ThreadPoolExecutor | None = None

    def __enter__(self) -> ControlPlane:
        """Start it."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()

    # --- the processes --------------------------------------------------------------------------

    @property
    def has_controllers(self) -> bool:
        """Whether namespaces really go away: a foreign folder may have no controller manager."""
        return (self.assets / CONTROLLER_MANAGER).exists()

    def start(self) -> None:
        """Make the keys, start everything, and return when it is ready."""
        if self._servers:
            raise ControlPlaneError("started already")
        if (self.workdir / "pki").exists():
            raise ControlPlaneError(f"{self.workdir} has been used already")
        self.workdir.mkdir(parents=True, exist_ok=True)
        self._ports = [Port() for _ in range(4)]
        etcd_port, peer_port, api_port, controllers_port = (port.number for port in self._ports)
        pki = _Pki(self.workdir / "pki")
        self._pki = pki
        self.url = f"https://127.0.0.1:{api_port}"
        self.ca_file, self.admin_cert, self.admin_key = pki.ca, pki.admin, pki.admin_key
        self._api = _Api(api_port, pki)
        # PR_SET_PDEATHSIG is about the thread that starts a process, so that one has to stay
        self._spawner = ThreadPoolExecutor(1, "control-plane-spawner")
        try:
            self._add_etcd(etcd_port, peer_port)
            self._add_apiserver(api_port, etcd_port, pki)
            if self.has_controllers:
                self._add_controller_manager(controllers_port, pki)
            for name in self._servers:
                self._start(name, wait=True)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill everything; the files stay."""
        for server in reversed(self._servers.values()):
            if server.pid is not None:
                server.kill(signal.SIGKILL)
        self._servers.clear()
        while self._ports:
            self._ports.pop().close()
        if self._api is not None:
            self._api.close()
        if self._spawner is not None:
            self._spawner.shutdown()
            self._spawner = None

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        """End a process with a signal, and wait until it is gone.

        kube-apiserver takes 60 s for SIGTERM while somebody watches, as its controllers do.
        """
        self._server(name).kill(sig)
        if name == APISERVER:
            self._client().close()

    def restart(self, name: str, wait: bool = True) -> None:
        """Start a process again, with the same ports and data; kill it first if it still runs.

        With ``wait`` return when it is ready (after etcd: when the API server is ready, too).
        """
        if self._server(name).pid is not None:
            self.kill(name)
        if name == APISERVER:
            self._client().close()  # in case that it died of itself
        self._start(name, wait)

    def pause(self, name: str) -> None:
        """Stop a process with SIGSTOP: connections stay, and nothing answers."""
        self._server(name).signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        self._server(name).signal(signal.SIGCONT)

    def pid(self, name: str) -> int | None:
        """The process id of a process, None while it is killed."""
        return self._server(name).pid

    def check(self) -> None:
        """Raise ControlPlaneError with the end of its log if a process died of itself."""
        for server in self._servers.values():
            server.check()

    def wait_ready(self, name: str = APISERVER, timeout: float = START_TIMEOUT) -> None:
        """Return when a process says that it is ready; an error if one dies meanwhile."""
        server = self._server(name)

        def ready() -> bool:
            self.check()
            return server.is_ready()

        try:
            wait_until(ready, f"{name} is ready", timeout, 0.02)
        except TimeoutError as error:
            raise ControlPlaneError(f"{error}; the end of {server.log}:\n{server.log_tail()}"
                                    ) from None

    def _server(self, name: str) -> _Server:
        try:
            return self._servers[name]
        except KeyError:
            raise ControlPlaneError(f"there is no {name} here") from None

    def _start(self, name: str, wait: bool) -> None:
        assert self._spawner is not None
        self._spawner.submit(self._server(name).spawn).result()
        if not wait:
            return
        self.wait_ready(name)
        if name == ETCD and self._servers[APISERVER].pid is not None:
            self.wait_ready(APISERVER)

    def _add(self, name: str, flags: Sequence[str], is_ready: Callable[[], bool]) -> None:
        self._servers[name] = _Server(name, [self.assets / name, *flags], self.workdir, is_ready)

    def _usage(self, name: str) -> str:
        """What a program prints for --help."""
        try:
            return subprocess.run([self.assets / name, "--help"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={"PATH": os.defpath, "HOME": str(self.workdir)}).stdout
        except OSError as error:
            raise ControlPlaneError(f"{self.assets / name}: {error.strerror}") from None

    def _add_etcd(self, port: int, peer_port: int) -> None:
        url, peer_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
        flags = [
            "--name=test",
            f"--data-dir={self.workdir / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=test={peer_url}",
        ]
        if "--unsafe-no-fsync" in self._usage(ETCD):  # since 3.5
            flags.append("--unsafe-no-fsync")
        self._add(ETCD, flags, lambda: _answers("http", port, "/health"))

    def _add_apiserver(self, port: int, etcd_port: int, pki: _Pki) -> None:
        policy = self.workdir / "audit-policy.json"
        policy.write_text(json.dumps({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"],
            "rules": [
                {"level": "Metadata",
                 "verbs": ["patch", "create", "update", "delete", "list"],
                 "resources": [{"group": "", "resources": ["secrets", "namespaces", "serviceaccounts"]}]},
                {"level": "None"},
            ],
        }))
        self._add(APISERVER, [
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={pki.server}",
            f"--tls-private-key-file={pki.server_key}",
            f"--client-ca-file={pki.ca}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki.service_account_public}",
            f"--service-account-signing-key-file={pki.service_account_key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",  # loopback is no address for an endpoint
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-format=json",
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=100000",  # MB: never a second file
            *self._apiserver_flags,
        ], self._apiserver_is_ready)

    def _add_controller_manager(self, port: int, pki: _Pki) -> None:
        kubeconfig = self.workdir / "controller-manager.kubeconfig"
        self._write_kubeconfig(kubeconfig, pki.controllers, pki.controllers_key, True, self.url)
        flags = [
            f"--kubeconfig={kubeconfig}",
            f"--controllers={','.join(self._controllers)}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",  # each controller has its role in RBAC
            f"--service-account-private-key-file={pki.service_account_key}",
            f"--root-ca-file={pki.ca}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={pki.server}",
            f"--tls-private-key-file={pki.server_key}",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]
        if " --port int" in self._usage(CONTROLLER_MANAGER):  # until 1.23: a second, fixed port
            flags.append("--port=0")
        self._add(CONTROLLER_MANAGER, flags, lambda: _answers("https", port, "/healthz"))

    def _apiserver_is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz", timeout=5)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    # --- credentials ----------------------------------------------------------------------------

    def kubeconfig(self, path: Path, embed: bool = True, *, server: str | None = None,
                   cert: Path | None = None, key: Path | None = None) -> Path:
        """Write a kubeconfig and return its path.

        ``embed``: with the certificates and the key in it, else with the names of their files,
        relative to its own folder. ``server``: another URL than this API server's, such as a
        proxy's. ``cert``, ``key``: another client than the administrator, see ``client_cert``.
        """
        self._write_kubeconfig(path, cert or self.admin_cert, key or self.admin_key, embed,
                               server or self.url)
        return path

    def client_cert(self, name: str, subject: str) -> tuple[Path, Path]:
        """The files of a new client certificate and its key; ``subject``: ``/O=group/CN=user``."""
        if self._pki is None:
            raise ControlPlaneError("not started")
        return self._pki.client(name, subject)

    def another_authority(self) -> Path:
        """Return the certificate of a second CA, see ``change_authority``."""
        if self._pki is None:
            raise ControlPlaneError("not started")
        ca = self._pki.another_authority()
        self._client().trust(ca)
        return ca

    def change_authority(self) -> None:
        """Restart the API server with a certificate of the second CA, and not the first one's."""
        if self._pki is None:
            raise ControlPlaneError("not started")
        self._pki.change_server()
        self.restart(APISERVER)

    def _write_kubeconfig(self, path: Path, cert: Path, key: Path, embed: bool,
                          server: str) -> None:
        def entry(name: str, file: Path) -> str:
            if embed:
                return f"{name}-data: {base64.b64encode(file.read_bytes()).decode()}"
            return f"{name}: {json.dumps(os.path.relpath(file, path.absolute().parent))}"

        # as kubectl writes it
        text = f"""\
apiVersion: v1
clusters:
- cluster:
    {entry("certificate-authority", self.ca_file)}
    server: {server}
  name: test
contexts:
- context:
    cluster: test
    user: test
  name: test
current-context: test
kind: Config
preferences: {{}}
users:
- name: test
  user:
    {entry("client-certificate", cert)}
    {entry("client-key", key)}
"""
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    # --- the API client -------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Json = None,
                content_type: str = "application/json", *,
                headers: Mapping[str, str] | None = None,
                timeout: float = 60.0) -> tuple[int, Json]:
        """Send one request as the administrator; return the status and the parsed answer.

        ``body`` is sent as it is where it is bytes, else as JSON. What is no JSON is returned as
        a string. An HTTP error is no exception, a broken connection is (OSError, HTTPException).
        """
        all_headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
        if body is not None:
            all_headers["Content-Type"] = content_type
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        all_headers.update(headers or {})
        return self._client().request(method, path, body, all_headers, timeout)

    def create_namespace(self, name: str, labels: Mapping[str, str] | None = None,
                         annotations: Mapping[str, str] | None = None) -> Json:
        """Create a namespace; return the object."""
        metadata = {"name": name, "labels": dict(labels or {}),
                    "annotations": dict(annotations or {})}
        return self._do("POST", "/api/v1/namespaces",
                        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def create_namespaces(self, names: Iterable[str], parallel: int = 16) -> None:
        """Create many namespaces, several at once."""
        with ThreadPoolExecutor(parallel) as pool:
            for _ in pool.map(self.create_namespace, names):
                pass

    def delete_namespace(self, name: str, wait: float | None = None) -> None:
        """Delete a namespace: it is Terminating until the controllers have emptied it.

        ``wait``: return only when it is gone, at most after that many seconds.
        """
        path = f"/api/v1/namespaces/{quote(name)}"
        self._do("DELETE", path)
        if wait is not None:
            wait_until(lambda: self.request("GET", path)[0] == 404,
                       f"namespace {name} is gone", wait)

    def namespaces(self) -> dict[str, Json]:
        """All namespaces, by name."""
        items = self._do("GET", "/api/v1/namespaces")["items"]
        return {item["metadata"]["name"]: item for item in items}

    def secret(self, namespace: str, name: str) -> Json | None:
        """A Secret, None if there is no such one."""
        path = self._secret_path(namespace, name)
        status, answer = self.request("GET", path)
        if status == 404:
            return None
        return self._checked(f"GET {path}", status, answer)

    def secrets(self, name: str) -> dict[str, Json]:
        """The Secrets of that name in all namespaces, by namespace."""
        selector = urlencode({"fieldSelector": f"metadata.name={name}"})
        items = self._do("GET", f"/api/v1/secrets?{selector}", timeout=300)["items"]
        return {item["metadata"]["namespace"]: item for item in items}

    def put_secret(self, namespace: str, name: str, data: Mapping[str, str | bytes], *,
                   kind: str = "Opaque", labels: Mapping[str, str] | None = None,
                   annotations: Mapping[str, str] | None = None) -> Json:
        """Create a Secret or replace all of it; return the object.

        ``data`` holds the values themselves (not base64), ``kind`` is the Secret's ``type``,
        which an existing Secret cannot change.
        """
        values = {key: value.encode() if isinstance(value, str) else value
                  for key, value in data.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "type": kind,
                  "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
                  "metadata": {"name": name, "labels": dict(labels or {}),
                               "annotations": dict(annotations or {})}}
        path = self._secret_path(namespace, name)
        status, answer = self.request("PUT", path, secret)
        if status == 404:
            path = self._secret_path(namespace)
            status, answer = self.request("POST", path, secret)
        return self._checked(f"{path} ({name})", status, answer)

    def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret; an error if there is no such one."""
        self._do("DELETE", self._secret_path(namespace, name))

    def _client(self) -> _Api:
        if self._api is None:
            raise ControlPlaneError("not started")
        return self._api

    def _do(self, method: str, path: str, body: Json = None, timeout: float = 60.0) -> Json:
        """A request that has to succeed: return the answer."""
        status, answer = self.request(method, path, body, timeout=timeout)
        return self._checked(f"{method} {path}", status, answer)

    @staticmethod
    def _checked(what: str, status: int, answer: Json) -> Json:
        if status >= 400:
            raise ApiError(what, status, answer)
        return answer

    @staticmethod
    def _secret_path(namespace: str, name: str | None = None) -> str:
        path = f"/api/v1/namespaces/{quote(namespace)}/secrets"
        return path if name is None else f"{path}/{quote(name)}"

    # --- the audit log --------------------------------------------------------------------------

    def audit_position(self) -> int:
        """Where the audit log ends now, for ``audit_events(since=...)``."""
        return self.audit_log.stat().st_size if self.audit_log.exists() else 0

    def audit_events(self, predicate: Callable[[Json], object] | None = None,
                     since: int = 0) -> Iterator[Json]:
        """The parsed audit events for which ``predicate`` holds, oldest first.

        There is one for every finished patch, create, update, delete and list of Secrets, namespaces
        and service accounts, of all clients: ``verb``, ``userAgent``, ``objectRef`` (``resource``,
        ``namespace``, ``name``), ``responseStatus`` (``code``), ``requestURI``, ``user``.

        The server writes an event when it is done with a request, which may be a moment after the
        client has the answer: wait until the expected ones are there. ``since`` skips what was
        there at an earlier ``audit_position()``.
        """
        if not self.audit_log.exists():
            return
        with self.audit_log.open("rb") as log:
            log.seek(since)
            for line in _whole_lines(log):
                event = json.loads(line)
                if predicate is None or predicate(event):
                    yield event


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file without the last one if that is still being written."""
    for line in file:
        if line.endswith(b"\n"):
            yield line


def _answers(scheme: str, port: int, path: str) -> bool:
    """Whether a server on 127.0.0.1 answers 200."""
    connection: http.client.HTTPConnection
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def find_assets() -> Path:
    """The folder of programs as tests/control-plane/build knows it; builds nothing."""
    script = Path(__file__).resolve().parent.parent / "control-plane" / "build"
    result = subprocess.run([script, "--cached"], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise ControlPlaneError(f"there is no control plane to start: run {script}")
    return Path(result.stdout.strip())


def main(arguments: Sequence[str]) -> int:
    """Start a control plane in a temporary folder, and keep it until SIGINT or SIGTERM."""
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    ended = threading.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: ended.set())
    workdir = Path(tempfile.mkdtemp(prefix="eatr-control-plane."))
    try:
        assets = Path(arguments[0]) if arguments else find_assets()
        with ControlPlane(assets, workdir) as cluster:
            print(cluster.kubeconfig(workdir / "kubeconfig"), flush=True)
            while not ended.wait(1):
                cluster.check()
    except ControlPlaneError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(workdir)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
