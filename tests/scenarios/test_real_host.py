"""An image is pulled from ECR's real host name with what eatr, given a region and keys only, wrote.

eatr and skopeo run on a host of their own, on which AWS's names lead to moto and to a real registry, both with
certificates for these names of an authority that the system trusts. The cluster is a real one.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conftest import finish
from control_plane import ControlPlane
from eatr import Eatr, to_ini
from http_double import Double, Handler, Tls
from identity import identity
from image_registry import REPOSITORY, Registry, password_of, token_with, with_another_byte
from moto import HOME_ACCOUNT, REGION, Moto, host_of, token_of, with_keys
from private_host import PrivateHost
from real import DATA_KEY, SECRET, only, value_of

CONFIG, KUBECONFIG = "/etc/eatr/eatr.conf", "/etc/eatr/kubeconfig"
API, HOST = "api.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
TOKEN = token_of(HOME_ACCOUNT)
NAMESPACE = "host-a"
REFUSED = "unauthorized|authentication required"


def port_of(url: str) -> int:
    """Where somebody listens."""
    port = urlsplit(url).port
    assert port is not None
    return port


class Front(Double):
    """Ends TLS in front of a server of HTTP, and passes on everything as it comes."""

    def __init__(self, port: int, tls: Tls) -> None:
        super().__init__(tls=tls)
        self.behind = port

    def answer(self, handler: Handler) -> None:
        """With what is answered behind it."""
        record = handler.record
        connection = http.client.HTTPConnection("127.0.0.1", self.behind)
        connection.request(record.method, record.target, record.body, dict(record.headers))
        with connection.getresponse() as answer:
            handler.reply(answer.status, answer.read(), answer.headers["Content-Type"])
        connection.close()


@pytest.fixture
def api_of_ecr(host: PrivateHost, moto: Moto, tls: Tls) -> Iterator[Front]:
    """What is at the name of ECR's API."""
    with Front(port_of(moto.url), tls.issue(API, f"DNS:{API}")) as front:
        host.trust(tls.ca.read_bytes())
        host.serve(API, 443, front.port)
        yield front
    assert not front.errors, front.errors[0]


@pytest.fixture
def registry(host: PrivateHost, api_of_ecr: Front, tls: Tls, tmp_path: Path) -> Iterator[Registry]:
    """What is at the name of the account's registry; it takes moto's token and nothing else."""
    with Registry(tmp_path / "registry", tls.issue(HOST, f"DNS:{HOST}"), HOST, host) as registry:
        registry.accept(password_of(TOKEN))
        yield registry


@pytest.fixture
def eatr(host: PrivateHost, control_plane: ControlPlane, moto: Moto, tmp_path: Path) -> Iterator[Eatr]:
    """Configured on the host, but not started."""
    one = Eatr(tmp_path / "eatr", prefix=host.prefix)
    one.config_path = Path(CONFIG)
    listen = f"127.0.0.1:{one.metrics_port}"
    config = only("host", {"aws": {"region": REGION, **with_keys(*moto.keys)}, "metrics": {"listen": listen}})
    host.put(CONFIG, to_ini(config), 0o640)
    host.put(KUBECONFIG, identity(control_plane).kubeconfig(tmp_path / "kubeconfig").read_bytes())
    host.serve("127.0.0.1", port_of(control_plane.url), port_of(control_plane.url))
    host.reach(one.metrics_port)
    yield one
    problems = finish(one, {*moto.secrets, TOKEN, password_of(TOKEN)}, print)
    assert not problems, "\n".join(problems)


def test_the_secret_alone_pulls_from_the_real_name(
    eatr: Eatr, registry: Registry, api_of_ecr: Front, control_plane: ControlPlane, moto: Moto, tmp_path: Path
) -> None:
    """eatr says that it will, and it does. With one byte changed, or for another host, it does not."""
    control_plane.create_namespace(NAMESPACE)
    eatr.start(env={"KUBECONFIG": KUBECONFIG}).wait_ready()
    eatr.wait_log(f"eatr: {re.escape(HOST)} takes the token$")
    eatr.wait_metric(f'eatr_token_accepted{{registry="aws",host="{HOST}"}}', 1)
    secret = control_plane.secret(NAMESPACE, SECRET)
    assert secret is not None and eatr.get("/readyz") == (200, "ok\n")
    eatr.stop()

    value = value_of(secret).decode()
    assert secret["type"] == "kubernetes.io/dockerconfigjson" and list(secret["data"]) == [DATA_KEY]
    assert list(json.loads(value)) == ["auths"] and list(json.loads(value)["auths"]) == [HOST]
    assert {record.headers["Host"] for record in api_of_ecr.requests} == {API}
    assert [(str(call), call.key, call.region) for call in moto.calls] == [
        ("ecr:GetAuthorizationToken 200", moto.keys[0], REGION)
    ]

    auth = tmp_path / "auth.json"

    def complaint(text: str, repository: str = REPOSITORY) -> str:
        auth.write_text(text)
        return registry.complaint(auth, repository)

    assert not complaint(value)
    no_image = complaint(value, "team/other")
    assert re.search("manifest unknown|name unknown", no_image) and not re.search(REFUSED, no_image)
    for what, other in altered(value).items():
        assert other != value and re.search(REFUSED, complaint(other)), what
    assert re.search(REFUSED, registry.complaint(None))


def altered(value: str) -> dict[str, str]:
    """What opens nothing, by what was done to it."""
    token = token_with(with_another_byte(password_of(TOKEN)))
    return {
        "another token": value.replace(TOKEN, token),
        "another account": value.replace(HOST, host_of("111122223333")),
        "another region": value.replace(REGION, "eu-central-1"),
    }
