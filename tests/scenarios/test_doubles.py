"""The doubles against other clients: botocore, kubectl, plain HTTP; and the runner against a fake eatr."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.config  # type: ignore[import]
import botocore.exceptions  # type: ignore[import]
import botocore.session  # type: ignore[import]
import pytest
from botocore.auth import SigV4Auth  # type: ignore[import]
from botocore.awsrequest import AWSRequest  # type: ignore[import]
from botocore.credentials import Credentials  # type: ignore[import]

import faults
from api_server import ApiServer
from eatr import Eatr, wait_for
from ecr import CONTENT_TYPE, PRIVATE_TARGET, Ecr
from http_double import Tls
from leaks import find_leaks

DOCKER = "kubernetes.io/dockerconfigjson"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

# ECR -------------------------------------------------------------------------------------------------


def call(ecr: Ecr, service: str = "ecr", **keys: str | None) -> Any:
    """Asks for a token with botocore; gives authorizationData or the error's code."""
    config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=1, proxies={})
    options: dict[str, Any] = {
        "aws_access_key_id": ecr.access_key,
        "aws_secret_access_key": ecr.secret_key,
        **keys,
    }
    verify = str(ecr.tls.ca) if ecr.tls else None
    region = options.pop("region_name", ecr.region)
    session = botocore.session.Session()
    client = session.create_client(
        service, region, endpoint_url=ecr.url, verify=verify, config=config, **options
    )
    try:
        return client.get_authorization_token()["authorizationData"]
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    except botocore.exceptions.HTTPClientError as error:
        return type(error).__name__


def test_ecr_gives_tokens(ecr: Ecr) -> None:
    """A good signature gets a fresh token each time."""
    data = call(ecr)[0]
    password = base64.b64decode(data["authorizationToken"]).decode().removeprefix("AWS:")
    assert len(password) == 2400
    assert abs(data["expiresAt"].timestamp() - time.time() - 43200) < 5
    assert data["proxyEndpoint"] == "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert data["authorizationToken"] == ecr.last_token != call(ecr)[0]["authorizationToken"]
    assert [(made.status, made.error) for made in ecr.calls] == [(200, None)] * 2
    assert [made.token for made in ecr.calls] == ecr.tokens


def test_ecr_refuses(ecr: Ecr) -> None:
    """Wrong keys, scopes and clocks are refused as AWS does it."""
    assert call(ecr, aws_secret_access_key="wrong") == "InvalidSignatureException"
    assert call(ecr, aws_access_key_id="AKIAUNKNOWN") == "UnrecognizedClientException"
    assert call(ecr, aws_session_token="unexpected") == "UnrecognizedClientException"
    assert call(ecr, region_name="eu-west-2") == "InvalidSignatureException"
    ecr.session_token = "a session token"
    assert call(ecr) == "UnrecognizedClientException"
    assert call(ecr, aws_session_token="a session token")[0]["authorizationToken"] == ecr.last_token
    ecr.session_token = None
    for offset in (400, -400):
        ecr.clock_offset = offset
        assert call(ecr) == "InvalidSignatureException"
    ecr.clock_offset = 200
    assert abs(call(ecr)[0]["expiresAt"].timestamp() - time.time() - 43400) < 5
    assert ecr.calls[0].error == "InvalidSignatureException" and ecr.calls[0].status == 400


def raw_call(ecr: Ecr, unsigned: dict[str, str], leave_out: str = "") -> str:
    """Signs a request, then adds headers that are not signed; gives the error's code or ""."""
    headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": PRIVATE_TARGET, "Host": f"127.0.0.1:{ecr.port}"}
    headers.pop(leave_out, None)
    request = AWSRequest("POST", ecr.url + "/", headers=headers, data=b"{}")
    SigV4Auth(Credentials(ecr.access_key, ecr.secret_key), "ecr", ecr.region).add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", ecr.port, timeout=5)
    connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
    for name, value in [*request.headers.items(), *unsigned.items(), ("Content-Length", "2")]:
        connection.putheader(name, value)
    connection.endheaders(b"{}")
    answer = json.loads(connection.getresponse().read())
    return str(answer.get("__type", ""))


def test_ecr_is_strict(ecr: Ecr) -> None:
    """What must be signed must be signed, and nothing comes twice."""
    assert raw_call(ecr, {}) == ""
    assert raw_call(ecr, {"x-amz-date": "20260101T000000Z"}) == "ValidationException"
    assert raw_call(ecr, {"X-Amz-Target": PRIVATE_TARGET}, "X-Amz-Target") == "InvalidSignatureException"
    assert raw_call(ecr, {"Content-Type": CONTENT_TYPE}, "Content-Type") == "InvalidSignatureException"
    assert raw_call(ecr, {"Content-Type": "text/plain"}, "Content-Type") == "SerializationException"


def test_ecr_fails_on_command(ecr: Ecr) -> None:
    """Faults are played, in order, and leave last_token alone."""
    first = call(ecr) and ecr.last_token
    ecr.fault = faults.sequence(faults.throttled(), faults.xml_denied(), faults.no_data(), faults.reset())
    assert [call(ecr) for _ in range(4)] == ["ThrottlingException", "403", [], "ConnectionClosedError"]
    ecr.fault = faults.hang()
    assert call(ecr) == "ReadTimeoutError"
    ecr.fault = faults.expired()
    assert call(ecr)[0]["expiresAt"].timestamp() < time.time()
    assert ecr.last_token == first
    ecr.fault = faults.e_notation()
    assert abs(call(ecr)[0]["expiresAt"].timestamp() - time.time() - 43200) < 5
    assert ecr.last_token != first
    ecr.stop()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        call(ecr)
    ecr.fault = None
    ecr.start()
    assert call(ecr)[0]["authorizationToken"] == ecr.last_token


def test_ecr_public_over_tls(tls: Tls) -> None:
    """ECR Public answers with an object, here over TLS."""
    with Ecr(tls=tls, public=True) as ecr:
        assert call(ecr, "ecr-public")["authorizationToken"] == ecr.last_token


# The API server --------------------------------------------------------------------------------------


def request(
    api: ApiServer, method: str, path: str, accept: str = METADATA, body: Any = None, **headers: str
) -> http.client.HTTPResponse:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)
    headers = {"Accept": accept, "User-Agent": "test", **headers}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    return connection.getresponse()


def listing(api: ApiServer, path: str) -> Any:
    """A metadata-only list."""
    return json.load(request(api, "GET", path, METADATA_LIST))


def watching(api: ApiServer, path: str) -> Iterator[tuple[str, Any]]:
    """Opens a metadata-only watch; gives its events."""
    answer = request(api, "GET", path + ("&" if "?" in path else "?") + "watch=1&allowWatchBookmarks=true")
    events = (json.loads(line) for line in answer)
    return ((event["type"], event["object"]) for event in events)


def apply(api: ApiServer, namespace: str, value: str = "{}", force: bool = False) -> tuple[int, Any]:
    """Server-side apply of the Secret `ecr` as eatr does it."""
    data = {".dockerconfigjson": base64.b64encode(value.encode()).decode()}
    meta = {"name": "ecr", "labels": {"app.kubernetes.io/managed-by": "eatr"}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": DOCKER, "data": data}
    path = f"/api/v1/namespaces/{namespace}/secrets/ecr?fieldManager=eatr{'&force=true' if force else ''}"
    answer = request(api, "PATCH", path, body=body, **{"Content-Type": "application/apply-patch+yaml"})
    return answer.status, json.load(answer)


def test_api_list_and_watch(api: ApiServer) -> None:
    """Metadata-only lists and watches, selectors, bookmarks, 410 and 504."""
    api.add_namespace("shop", {"team": "a"})
    names = listing(api, "/api/v1/namespaces?resourceVersion=0")
    assert [item["metadata"]["name"] for item in names["items"]] == ["default", "kube-system", "shop"]
    version = names["metadata"]["resourceVersion"]
    events = watching(api, f"/api/v1/namespaces?resourceVersion={version}&labelSelector=team")
    api.add_namespace("other")
    api.add_namespace("web", {"team": "b"})
    api.edit_namespace("shop", labels={"team": None})
    api.terminate_namespace("web")
    api.bookmark()
    seen = [next(events) for _ in range(4)]
    assert [kind for kind, _ in seen] == ["ADDED", "DELETED", "MODIFIED", "BOOKMARK"]
    assert seen[2][1]["kind"] == "PartialObjectMetadata" and "deletionTimestamp" in seen[2][1]["metadata"]
    assert seen[3][1]["metadata"]["resourceVersion"] == str(api.store.rv)
    api.drop_watches()
    assert list(events) == []
    api.compact()
    kind, status = next(watching(api, f"/api/v1/namespaces?resourceVersion={version}"))
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert len(list(watching(api, "/api/v1/namespaces?timeoutSeconds=0.1"))) == 5
    api.future_wait = 0.1
    late = request(api, "GET", "/api/v1/namespaces?resourceVersion=9999", METADATA_LIST)
    assert (
        late.status == 504 and json.load(late)["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    )
    assert not api.violations
    assert request(api, "GET", "/api/v1/secrets", "application/json").status == 406
    assert len(api.violations) == 1


def test_api_apply(api: ApiServer) -> None:
    """Server-side apply: create, no-op, update, conflict, force, and what cannot be written."""
    api.add_namespace("shop")
    status, made = apply(api, "shop", '{"a":1}')
    assert status == 201 and made["kind"] == "PartialObjectMetadata"
    owner = made["metadata"]["managedFields"][0]
    assert (owner["manager"], owner["operation"]) == ("eatr", "Apply")
    assert owner["fieldsV1"]["f:data"] == {"f:.dockerconfigjson": {}} and owner["fieldsV1"]["f:type"] == {}
    assert apply(api, "shop", '{"a":1}') == (200, made)
    status, updated = apply(api, "shop", '{"a":2}')
    assert status == 200 and updated["metadata"]["uid"] == made["metadata"]["uid"]
    api.edit_secret("shop", data={".dockerconfigjson": "{}"})
    secret = api.secret("shop")
    assert secret is not None and secret.owners["kubectl-edit"] == {".dockerconfigjson"}
    assert secret.owners["eatr"] == set()
    status, conflict = apply(api, "shop", '{"a":3}')
    assert status == 409 and conflict["details"]["causes"][0]["field"] == ".data..dockerconfigjson"
    assert apply(api, "shop", '{"a":3}', force=True)[0] == 200
    secret = api.secret("shop")
    assert secret is not None and secret.owners["eatr"] == {".dockerconfigjson"}
    assert secret.data == {".dockerconfigjson": b'{"a":3}'}
    api.delete_secret("shop")
    for options in ({"type": "Opaque"}, {"type": DOCKER, "immutable": True}):
        api.put_secret("shop", data={".dockerconfigjson": '{"b":1}'}, **options)  # type: ignore[arg-type]
        assert apply(api, "shop")[0] == 409
        assert apply(api, "shop", force=True)[0] == 422
        api.delete_secret("shop")
    assert apply(api, "nowhere")[0] == 404
    apply(api, "shop")
    api.terminate_namespace("shop")
    assert apply(api, "shop", '{"c":1}')[0] == 200
    api.delete_secret("shop")
    status, refused = apply(api, "shop")
    assert status == 403 and refused["details"]["causes"][0]["reason"] == "NamespaceTerminating"


def test_api_fails_on_command(api: ApiServer) -> None:
    """Faults are played on the requests that they are for, as often as asked."""
    secret = "/api/v1/namespaces/default/secrets/ecr"
    busy = api.inject(faults.too_many_requests(retry_after=2), path="/secrets/", count=2)
    answers = [request(api, "GET", secret) for _ in range(3)]
    assert [answer.status for answer in answers] == [429, 429, 404] and busy.hits == 2
    assert answers[0].headers["Retry-After"] == "2"
    api.inject(faults.half_line(), watch=True, count=1)
    assert request(api, "GET", "/api/v1/secrets?watch=1").read().endswith(b'"na')
    api.inject(faults.big_list(20_000), path="namespaces", watch=False, count=1)
    assert len(listing(api, "/api/v1/namespaces")["items"]) == 20_000
    api.inject(faults.truncated(), count=1)
    with pytest.raises(http.client.IncompleteRead):
        listing(api, "/api/v1/namespaces")
    api.inject(faults.reset(), count=1)
    with pytest.raises(ConnectionResetError):
        listing(api, "/api/v1/namespaces")
    api.inject(faults.list_version("not-a-number"), count=1)
    assert listing(api, "/api/v1/namespaces")["metadata"]["resourceVersion"] == "not-a-number"
    api.stop()
    with pytest.raises(ConnectionRefusedError):
        listing(api, "/api/v1/namespaces")
    api.start()
    assert len(listing(api, "/api/v1/namespaces")["items"]) == 2


def test_api_serves_kubectl(tls: Tls, tmp_path: Path) -> None:
    """kubectl works with it, over TLS and with a token."""

    tool = ["/usr/bin/kubectl", f"--kubeconfig={tmp_path}/kubeconfig"]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def kubectl(*arguments: str, stdin: str | None = None) -> str:
        command = [*tool, *arguments]
        return subprocess.run(
            command, env=env, input=stdin, check=True, capture_output=True, text=True, timeout=10
        ).stdout

    with ApiServer(tls=tls, token="let-me-in", namespaces=["default", "shop"]) as api:
        api.kubeconfig(tmp_path / "kubeconfig")
        assert kubectl("get", "ns", "-o", "name").split() == ["namespace/default", "namespace/shop"]
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ecr", "namespace": "shop"}}
        manifest |= {"type": DOCKER, "data": {".dockerconfigjson": base64.b64encode(b"{}").decode()}}
        kubectl("apply", "--server-side", "--validate=false", "-f", "-", stdin=json.dumps(manifest))
        secret = api.secret("shop")
        assert secret is not None and secret.owners == {"kubectl": {".dockerconfigjson"}}
        command = [*tool, "get", "ns", "--watch", "-o", "name"]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as watch:
            wait_for(lambda: bool(api.watches), what="kubectl watches")
            api.add_namespace("web")
            assert watch.stdout is not None
            assert [next(watch.stdout).strip() for _ in range(3)][-1] == "namespace/web"
            watch.kill()
        wait_for(lambda: not api.watches, what="the watch is given up")
        api.kubeconfig(tmp_path / "kubeconfig", token="wrong")
        with pytest.raises(subprocess.CalledProcessError):
            kubectl("get", "ns")
        assert {record.status for record in api.requests[-3:]} >= {401}


# The runner ------------------------------------------------------------------------------------------

FAKE = r"""#!/usr/bin/python3
import array, http.server, os, signal, socket, sys, threading
print("args", *sys.argv[1:], "env", *sorted(os.environ), file=sys.stderr, flush=True)
stored = os.pread(3, 99, 0).decode() if os.environ.get("LISTEN_PID") == str(os.getpid()) else ""
print("stored", stored or "nothing", os.environ.get("LISTEN_FDNAMES"), file=sys.stderr, flush=True)
if "once" in sys.argv:
    print("the end")
    sys.exit(3)
config = open(sys.argv[2]).read()
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'# HELP x y\nx{a="b c"} 1.5\nscrapes_total 7\n')
port = int(config.split("listen = 127.0.0.1:")[1].split()[0])
server = http.server.HTTPServer(("127.0.0.1", port), Metrics)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0"))
def stop(*_):
    manager.send(b"STOPPING=1")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
memory = os.memfd_create("token")
os.write(memory, b"kept")
socket.send_fds(manager, [b"FDSTORE=1\nFDNAME=token"], [memory])
manager.send(b"READY=1\nSTATUS=all is well, " + (b"LEAK" if "leak" in sys.argv else b"truly"))
server.serve_forever()
"""


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Eatr]:
    """The runner with a fake eatr."""
    binary = tmp_path / "fake"
    binary.write_text(FAKE, encoding="utf-8")
    binary.chmod(0o755)
    one = Eatr(tmp_path / "run", binary=binary)
    one.write_config({"aws": {"region": "eu-west-1"}, "namespaces": {"blacklist": ["a*", "b*"]}})
    yield one
    one.close()


def test_runner(fake: Eatr) -> None:
    """Starts, waits, scrapes, keeps descriptors over a restart and over a crash, not over a stop."""
    assert "blacklist = a*\n    b*\n" in fake.config_path.read_text()
    fake.change_config({"aws": None, "secret": {"name": "pull", "labels": None}})
    text = fake.config_path.read_text()
    assert "[secret]\nname = pull\n[metrics]" in text and "[aws]" not in text and "[namespaces]" in text
    assert fake.config_path.stat().st_mode & 0o777 == 0o640
    fake.start("-v", "6", watchdog=3)
    assert fake.wait_ready().fields["STATUS"] == "all is well, truly"
    assert fake.wait_log("^args --config .* -v 6 env .*HOME .*NOTIFY_SOCKET PATH TZ .*WATCHDOG_USEC")
    assert fake.wait_metric("scrapes_total", 7)['x{a="b c"}'] == 1.5
    assert fake.get("/metrics")[0] == 200 and fake.rss_kb() > 1000
    with pytest.raises(AssertionError, match="was not notified within"):
        fake.wait_status("never", timeout=0.05)
    fake.restart().wait_ready()
    assert fake.wait_log("stored kept token")
    fake.signal(signal.SIGKILL)
    with pytest.raises(AssertionError, match="before the exit with -9"):
        fake.wait_log("never")
    fake.start().wait_ready()
    assert fake.wait_log("stored kept token")
    assert fake.stop() == 0 and fake.messages("STOPPING")
    assert fake.run("once") == 3 and fake.out == ["the end"]


def test_runner_finds_leaks(fake: Eatr) -> None:
    """A piece of a secret anywhere is found, and so is what a secret is the base64 of."""
    fake.start("leak").wait_ready()
    assert fake.find_leaks(["something else", base64.b64encode(b"nowhere to be seen").decode()]) == []
    assert fake.find_leaks(["all is well, LEAK"]) == ["a secret is in a notification"]
    assert fake.find_leaks([base64.b64encode(b"all is well, LEAK").decode()])
    fake.secrets.append("args --config")
    assert fake.find_leaks() == ["a secret is in the log"]


SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize("before", ["", "a", "ab"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_leak_is_found_in_base64(before: str, encode: Callable[[bytes], bytes]) -> None:
    """Wherever it begins, and whatever is behind it."""
    text = encode(f"{before}{SECRET}, and more".encode()).decode()
    assert find_leaks([SECRET], {"it": f"<{text}>"}) == ["a secret is in it"]
    assert find_leaks([SECRET[::-1]], {"it": f"<{text}>"}) == []


@pytest.mark.parametrize("slash, plus", [("/", "+"), ("\\/", "+"), ("%2F", "%2B"), ("%2f", "%2b"), ("_", "-")])
def test_a_leak_is_found_however_it_is_written(slash: str, plus: str) -> None:
    """In JSON, in a URL."""
    text = SECRET.replace("/", slash).replace("+", plus)
    assert find_leaks([SECRET], {"it": f"<{text}>"}) == ["a secret is in it"]
    assert find_leaks([SECRET], {"it": text[:12] + "x" + text[13:19] + "x" + text[21:36]}) == []
