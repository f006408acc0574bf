"""Has kubectl and eatr use the same kubeconfig, and compares what came of it.

A Case is a row of the tables in kubeconfig_shapes.py and kubeconfig_fields.py. In its texts $NAME stands for
something of the Scene: see Scene.names.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import string
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certificates import Issued
from eatr import SCALE, Changes, Eatr, merged, wait_for
from ecr import Ecr
from http_double import Tls
from leaks import find_reports
from witness import Arrival, Passages, Proxy, Witness

REACHES = "reaches"  # requests come to a server
FAILS = "fails"  # none does, as something is not as the kubeconfig says; eatr tries again
REFUSES = "refuses"  # none does, as the kubeconfig cannot work; eatr exits with 78

NEAR = ("127.0.0.1", "::1", "localhost", "api.example")
FAR = {  # addresses of the shapes: nothing of this machine's, and only the proxies know where they are
    "alpha": (
        "10.0.0.10:6443",
        "api.example:6443",
        "0A1B2C3D4E5F60718293A4B5C6D7E8F9.gr7.eu-west-1.eks.amazonaws.com:443",
        "34.90.12.34:443",
        "shop-dns-a1b2c3d4.hcp.westeurope.azmk8s.io:443",
        "api.ocp.example.com:6443",
        "rancher.example.com:443",
        "[fd00::10]:6443",
        "240.0.0.1:6443",
    ),
    "beta": ("10.0.0.20:6443", "cp1.rke.example.com:6443"),
}
SUBJECTS = {  # name: organization, common name, kind of key and its form
    "admin": ("system:masters", "kubernetes-admin", "rsa2048", "traditional"),
    "since129": ("kubeadm:cluster-admins", "kubernetes-admin", "rsa2048", "traditional"),
    "super": ("system:masters", "kubernetes-super-admin", "rsa2048", "traditional"),
    "k3s": ("system:masters", "system:admin", "p256", "traditional"),
    "openshift": ("system:masters", "system:admin", "rsa2048", "traditional"),
    "aks": ("system:masters", "masterclient", "rsa2048", "pkcs8"),
    "chained": ("ops", "chained", "p256", "pkcs8"),
    "plugin": ("", "plugin", "p256", "pkcs8"),
}
TOKENS = {  # as each kind of cluster has them
    "token": "kubeconfig-token-4f9c1e7ab2d8",
    "other": "another-token-90c2aa31f7e6",
    "sha256": "sha256~Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmF",
    "rancher": "kubeconfig-u-7xk2p9:5tq8dxzkn6l2wj4vbrmfc9hs3g7p",
    "eks": "k8s-aws-v1.aHR0cHM6Ly9zdHMuZXhhbXBsZS8_WC1BbXotU2lnbmF0dXJlPTE",
    "password": "pass:word-3b1f70d9",
}


@dataclass(frozen=True)
class Plugin:
    """A program that gives credentials, and what it answers."""

    stdout: str
    code: int = 0
    stderr: str = ""


@dataclass(frozen=True)
class Case:
    """A kubeconfig, and what each of both makes of it. `why` they differ, if they do."""

    name: str
    files: Mapping[str, str]  # by their paths in a folder; "config" is given as --kubeconfig,
    kubeconfig: str | None = None  # or this as $KUBECONFIG, $dir in it is that folder; "": neither is given
    context: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    plugins: Mapping[str, Plugin] = field(default_factory=dict)  # in a folder bin, which is in PATH
    conf: Changes = field(default_factory=dict)
    kubectl: str = REACHES
    eatr: str = ""  # "": as kubectl
    says: str = ""  # a regular expression, in eatr's line
    why: str = ""


def credential(version: str = "v1beta1", **status: str) -> str:
    """What a plugin prints."""
    api = f"client.authentication.k8s.io/{version}"
    return json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": status})


@dataclass(frozen=True)
class Outcome:
    """What one of both did."""

    arrivals: frozenset[Arrival]
    runs: frozenset[str]  # of plugins: command line, environment and what they were told, as JSON
    code: int | None
    lines: tuple[str, ...]


_PLUGIN = """\
#!/usr/bin/python3 -IS
import json, os, sys
seen = {name: os.environ[name] for name in os.environ if name.startswith(("PLUGIN_", "AWS_"))}
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
cluster = told["spec"].get("cluster", {})
if cluster.get("config", "") is None:  # Go writes it where there is none
    del cluster["config"]
argv = [os.path.normpath(sys.argv[0]), *sys.argv[1:]]
run = {"argv": argv, "env": seen, "told": told, "terminal": sys.stdin.isatty()}
with open(%(runs)r, "a") as file:
    file.write(json.dumps(run, sort_keys=True) + "\\n")
sys.stdout.write(%(stdout)r)
sys.stderr.write(%(stderr)r)
sys.exit(%(code)r)
"""


class Scene:
    """The servers alpha and beta, over TLS and each with an authority of its own; plain, without; proxies."""

    def __init__(self, directory: Path, ecr: Ecr) -> None:
        self.directory, self.ecr = directory, ecr
        self.passages = Passages()
        self.secrets: set[str] = set(TOKENS.values())
        self.names: dict[str, str] = dict(TOKENS)
        self.witnesses: list[Witness] = []
        self.proxies: list[Proxy] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Scene:
        clients = Issued.authority("client CA")
        (self.directory / "clients.pem").write_bytes(clients.pem())
        self._issue(clients)
        tls = {name: self._server(name) for name in FAR}
        self._witness(Witness("plain", self.passages))
        self._proxies(tls["alpha"])
        pem = {name: one.ca.read_text() for name, one in tls.items()}
        stranger = Issued.authority("stranger").pem().decode()
        self._name(bundle_ca=stranger + pem["beta"] + stranger + pem["alpha"], stranger_ca=stranger)
        self.names["folded_ca"] = re.sub("(.{64})", r"\1\\n", self.names["alpha_ca"])
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        errors = [error for witness in self.witnesses for error in witness.errors]
        assert not errors, errors[0]

    def _issue(self, authority: Issued) -> None:
        """Client certificates: $NAME_cert, $NAME_key in base64, and with _pem behind."""
        for name, (organization, common, kind, form) in SUBJECTS.items():
            signer = authority.intermediate() if name == "chained" else authority
            leaf = signer.leaf(common, kind=kind, organization=organization)
            key = leaf.key_pem(form).decode()
            self.secrets |= set(key.splitlines()[1:-1])
            self._name(**{f"{name}_cert": (leaf.pem() + leaf.chain_pem()).decode(), f"{name}_key": key})
            if name == "admin":
                self._name(locked_key=leaf.key_pem(password=b"a password").decode())

    def _name(self, **pem: str) -> None:
        for name, text in pem.items():
            data = base64.b64encode(text.encode()).decode()
            self.names |= {name: data, f"{name}_pem": text, f"{name}_json": json.dumps(text)[1:-1]}

    def _server(self, name: str) -> Tls:
        folder = self.directory / name
        folder.mkdir()
        hosts = [*NEAR, *(address.rpartition(":")[0].strip("[]") for address in FAR[name])]
        names = [("IP:" if host[-1].isdigit() else "DNS:") + host for host in hosts]
        tls = Tls.make(folder).issue("named", *dict.fromkeys(names))
        self._witness(Witness(name, self.passages, tls=tls, clients=self.directory / "clients.pem"))
        self._name(**{f"{name}_ca": tls.ca.read_text()})
        return tls

    def _witness(self, witness: Witness) -> None:
        self.witnesses.append(self._stack.enter_context(witness))
        self.names |= {witness.name: witness.url, f"{witness.name}_port": str(witness.port)}

    def _proxies(self, tls: Tls) -> None:
        """$http, $https and $socks are the addresses of proxies, $http_login ... of those that want $login."""
        ports = {witness.name: witness.port for witness in self.witnesses}
        routes = {address: ports[name] for name, addresses in FAR.items() for address in addresses}
        routes["plain.example:80"] = ports["plain"]
        kinds: dict[str, dict[str, Any]] = {"http": {}, "https": {"tls": tls}, "socks": {"socks": True}}
        for name, kind in kinds.items():
            for login in ("", f"jane:{TOKENS['password']}"):
                proxy = Proxy(name, self.passages, routes, login=login, **kind)
                self.proxies.append(self._stack.enter_context(proxy))
                self.names[f"{name}_login" if login else name] = f"127.0.0.1:{proxy.port}"

    # A case ----------------------------------------------------------------------------------------------

    def prepare(self, case: Case, folder: Path) -> dict[str, str]:
        """Writes the files and the plugins of a case; returns the environment for both."""
        names = {**self.names, "dir": str(folder)}
        for name, text in case.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(string.Template(text).substitute(names).encode())
            path.chmod(0o600)
        for name, plugin in case.plugins.items():
            self._write_plugin(folder, name, plugin, names)
        environment = {name: string.Template(value).substitute(names) for name, value in case.env.items()}
        if case.kubeconfig:
            environment["KUBECONFIG"] = string.Template(case.kubeconfig).substitute(names)
        return {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder), **environment}

    def _write_plugin(self, folder: Path, name: str, plugin: Plugin, names: Mapping[str, str]) -> None:
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        stdout = string.Template(plugin.stdout).substitute(names)
        told = {"stdout": stdout, "stderr": plugin.stderr, "code": plugin.code}
        path.write_text(_PLUGIN % {"runs": str(folder / "runs"), **told})
        path.chmod(0o755)

    def argv(self, case: Case, folder: Path) -> list[str]:
        """The options for both."""
        chosen = [f"--kubeconfig={folder / 'config'}"] if case.kubeconfig is None else []
        return chosen + ([f"--context={case.context}"] if case.context else [])

    def arrived(self) -> frozenset[Arrival]:
        """What came to the servers since it was last asked."""
        found = frozenset(arrival for witness in self.witnesses for arrival in witness.arrivals)
        for witness in self.witnesses:
            witness.arrivals.clear()
        return found

    def run_kubectl(self, kubectl: Path, case: Case, folder: Path) -> Outcome:
        """kubectl lists the namespaces."""
        environment = self.prepare(case, folder)
        self.passages.forget()
        done = subprocess.run(
            [kubectl, *self.argv(case, folder), "get", "namespaces", "--output=name"],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60 * SCALE,
        )
        lines = tuple((done.stdout + done.stderr).splitlines())
        return Outcome(self.arrived(), _runs(folder), done.returncode, lines)

    def run_eatr(self, case: Case, folder: Path) -> Outcome:
        """eatr does one pass; where it fails, it says so and is ended."""
        environment = self.prepare(case, folder)
        self.passages.forget()
        one = Eatr(folder / "eatr")
        aws: dict[str, object] = {"region": self.ecr.region, "endpoint_url": self.ecr.url}
        aws |= {"aws_access_key_id": self.ecr.access_key, "aws_secret_access_key": self.ecr.secret_key}
        one.write_config(merged({"aws": aws}, case.conf))
        try:
            one.start(*self.argv(case, folder), "once", env=environment)
            wait_for(lambda: one.code is not None or _gave_up(one), 30, "eatr ends, or cannot go on")
            problems = find_reports(one.log) + one.find_leaks({*self.secrets, self.ecr.secret_key})
            print(*one.out, *one.log, sep="\n")
            assert not problems, "\n".join(problems)
            return Outcome(self.arrived(), _runs(folder), one.code, (*one.out, *one.log))
        finally:
            one.close()
            for witness in self.witnesses:
                _clean(witness)


def _gave_up(one: Eatr) -> bool:
    return any("trying again in" in line for line in one.log)


def _clean(witness: Witness) -> None:
    """The next eatr has its Secrets to write, too."""
    for namespace in witness.namespaces():
        if witness.secret(namespace) is not None:
            witness.delete_secret(namespace)


def _runs(folder: Path) -> frozenset[str]:
    path = folder / "runs"
    found = frozenset(path.read_text().splitlines()) if path.exists() else frozenset()
    path.unlink(missing_ok=True)
    return found


@contextlib.contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    """A Scene with its ECR."""
    with Ecr() as ecr, Scene(directory, ecr) as one:
        yield one
    assert not ecr.errors, ecr.errors[0]


def find_differences(case: Case, folder: Path, kubectl: Outcome, eatr: Outcome) -> list[str]:
    """In what both are not as the case says, or not as each other."""
    wanted = case.eatr or case.kubectl
    found = []
    if (kubectl.code == 0) != bool(kubectl.arrivals) or bool(kubectl.arrivals) != (case.kubectl == REACHES):
        found.append(f"kubectl exits with {kubectl.code} after {len(kubectl.arrivals)} requests")
    if {REACHES: eatr.code != 0, REFUSES: eatr.code != 78, FAILS: eatr.code in (0, 78)}[wanted]:
        found.append(f"eatr exits with {eatr.code}")
    if bool(eatr.arrivals) != (wanted == REACHES):
        found.append(f"eatr sends {len(eatr.arrivals)} requests")
    if case.kubectl == wanted == REACHES:
        found += _unlike("request", kubectl.arrivals, eatr.arrivals)
    if case.kubectl == wanted:
        found += _unlike("run of the plugin", kubectl.runs, eatr.runs)
    return found + _unclear(case, wanted, folder, eatr)


def _unlike(what: str, kubectl: frozenset[Any], eatr: frozenset[Any]) -> list[str]:
    return [f"{what}, only of kubectl: {one}" for one in kubectl - eatr] + [
        f"{what}, only of eatr: {one}" for one in eatr - kubectl
    ]


def _unclear(case: Case, wanted: str, folder: Path, eatr: Outcome) -> list[str]:
    """What is wrong with eatr's words: a refusal is one line that names a file, or what led to none."""
    found = []
    if not any(re.search(case.says, line) for line in eatr.lines):
        found.append(f"eatr does not say {case.says}")
    if wanted == REFUSES and (len(eatr.lines) != 1 or str(folder) not in eatr.lines[0]):
        found.append("eatr's refusal is not one line with a file's name")
    return found
