"""The demonstration behind tests/demo: eatr with the shipped configuration, adapted, in a sandbox."""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback from the imports: nothing is there yet

import base64
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from api_server import ApiServer
from control_plane import ControlPlane
from eatr import REPOSITORY, Eatr, wait_for
from ecr import Ecr

Find = Callable[[str], "dict[str, str] | None"]
"""Namespace -> host -> token of the pull Secret in it, or None."""

NAMESPACES = ("team-a", "team-b", "ci")
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """A step of the story."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def show(text: str) -> None:
    """What was seen."""
    print("    " + text.replace("\n", "\n    "), flush=True)


def auths(document: bytes) -> dict[str, str]:
    """Host -> token of a .dockerconfigjson."""
    return {host: entry["auth"] for host, entry in json.loads(document)["auths"].items()}


def cached_assets() -> Path | None:
    """Where a built control plane is, if there is one."""
    run = subprocess.run([REPOSITORY / "tests/control-plane/build", "--cached"], capture_output=True, text=True)
    return Path(run.stdout.strip()) if run.returncode == 0 else None


def real_cluster(stack: contextlib.ExitStack, folder: Path, assets: Path) -> tuple[Path, Callable[[str], None], Find]:
    """A kube-apiserver with etcd: its kubeconfig, and how to add a namespace and look at a Secret."""
    plane = ControlPlane(assets, folder / "control-plane")
    (folder / "control-plane").mkdir()
    stack.callback(plane.stop)
    plane.start()

    def find(namespace: str) -> dict[str, str] | None:
        secret = plane.secret(namespace, "ecr")
        return auths(base64.b64decode(secret["data"][".dockerconfigjson"])) if secret else None

    kubeconfig = folder / "kubeconfig"
    plane.kubeconfig(kubeconfig)
    return kubeconfig, plane.create_namespace, find


def stand_in(stack: contextlib.ExitStack, folder: Path) -> tuple[Path, Callable[[str], None], Find]:
    """The same with a stand-in that starts in a moment."""
    api = stack.enter_context(ApiServer())

    def find(namespace: str) -> dict[str, str] | None:
        secret = api.secret(namespace)
        return auths(secret.data[".dockerconfigjson"]) if secret else None

    return api.kubeconfig(folder / "kubeconfig"), lambda name: (api.add_namespace(name), None)[1], find


def shipped_configuration(ecr: Ecr, kubeconfig: Path) -> str:
    """etc/eatr.conf with the keys of the sandbox filled in."""
    text = (REPOSITORY / "etc/eatr.conf").read_text(encoding="utf-8")
    values = {
        "region": ecr.region,
        "aws_access_key_id": ecr.access_key,
        "aws_secret_access_key": ecr.secret_key,
        "endpoint_url": ecr.url,
        "verify": "no",
        "kubeconfig": str(kubeconfig),
        "blacklist": "kube-*, default",
    }
    for key, value in values.items():
        text, n = re.subn(rf"(?m)^[#;]?\s*{key}\s*=.*$", f"{key} = {value}", text, count=1)
        assert n == 1, f"etc/eatr.conf has no {key}"
    return text


def end(number: int, _: object) -> None:
    """Ends the story early for a signal; what the sandbox consists of is taken down on the way."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> None:
    """Tells the story; an assertion ends it early, and with another exit status than 0."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eatr-demo-")))
        ecr = stack.enter_context(Ecr())
        assets = cached_assets()
        if assets:
            say("A sandbox: kube-apiserver and etcd, and an ECR that checks every signature")
            kubeconfig, add_namespace, find = real_cluster(stack, folder, assets)
        else:
            say("A sandbox: a stand-in for the API server, and an ECR that checks every signature")
            kubeconfig, add_namespace, find = stand_in(stack, folder)
        for name in NAMESPACES:
            add_namespace(name)
        show(f"namespaces: {', '.join(NAMESPACES)}, default and kube-*")

        daemon = Eatr(folder / "eatr")
        stack.callback(daemon.close)
        daemon.write_config(shipped_configuration(ecr, kubeconfig))
        say("eatr, with etc/eatr.conf and the sandbox's keys in it")
        daemon.start("--metrics-address", f"127.0.0.1:{daemon.metrics_port}")
        daemon.wait_ready()
        show("\n".join(daemon.log))
        for name in NAMESPACES:
            wait_for(lambda name=name: find(name), what=f"a Secret in {name}")
        assert find("default") is None and find("kube-system") is None, "a blacklisted namespace has a Secret"

        say("A namespace is created while it runs")
        add_namespace("team-c")
        began = time.monotonic()
        found = wait_for(lambda: find("team-c"), what="a Secret in team-c")
        show(f"its Secret was there {(time.monotonic() - began) * 1000:.0f} ms after the API server had answered")
        host, token = next(iter(found.items()))
        assert token == ecr.last_token, "the Secret has another token than AWS gave"
        show(f'registry host: {host}\ntoken: {len(token)} characters, the very ones that AWS gave')

        say("Metrics")
        samples = daemon.wait_metric("secrets_created_total", len(NAMESPACES) + 1)
        for name in ("secrets_created_total", "secret_renewals_total", 'eatr_namespaces{state="fresh"}'):
            show(f"{name} {samples[name]:g}")
        assert len(ecr.calls) == 1, "one call of AWS is enough for all of them"

        say("What systemctl status shows")
        show(daemon.wait_status(rf"{len(NAMESPACES) + 1} of {len(NAMESPACES) + 1} namespaces").fields["STATUS"])
        daemon.stop()
        say("All of it was seen; the sandbox is gone.")


if __name__ == "__main__":
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)
    main()
