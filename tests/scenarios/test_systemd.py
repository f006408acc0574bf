"""The packages on a machine with a real systemd: installed, configured, confined, and in the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from ops_host import (
    CONFIG,
    DIRECTORY,
    DROP_INS,
    EXAMPLES,
    KUBECONFIG,
    METRICS_PORT,
    SECOND_PORT,
    UNIT,
    OpsHost,
)
from real import SECRET, token_of

pytestmark = pytest.mark.systemd

EX_CONFIG = 78
PROGRAM = "/usr/local/bin/print-keys"
MESSAGES_OF_A_START = 10  # fewer than that
BAD_KEY = "[namespaces]\nblackist = kube-*\n"


# Installed, and not configured --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(ops_host: OpsHost) -> Iterator[OpsHost]:
    """The machine as an installation leaves it, which was one without eatr."""
    ops_host.purge()
    cursor = ops_host.machine.cursor()
    ops_host.install().check()
    yield ops_host
    print(ops_host.machine.run("journalctl", f"--after-cursor={cursor}").stdout)


def test_an_installation_is_quiet_until_it_is_configured(fresh: OpsHost) -> None:
    """A deb is enabled at once, an rpm when somebody wants it; none starts, and a start is no error."""
    assert fresh.state() == "inactive"
    enabled = fresh.systemctl("is-enabled").stdout.strip()
    assert enabled == ("enabled" if fresh.packages.enabled else "disabled")
    calls, cursor = len(fresh.ecr.calls), fresh.machine.cursor()
    assert fresh.systemctl("start").rc == 0
    shown = fresh.machine.show(UNIT, "ActiveState", "MainPID", "NRestarts")
    assert shown == {"ActiveState": "inactive", "MainPID": "0", "NRestarts": "0"}
    messages = [entry["MESSAGE"] for entry in fresh.said(cursor)]
    assert len(messages) == 1 and "Not configured" in messages[0] and CONFIG in messages[0]
    assert len(fresh.ecr.calls) == calls


def test_what_is_installed_is_from_the_package_and_its_secrets_are_for_eatr_only(fresh: OpsHost) -> None:
    """The program is the package's own; root alone changes the configuration, and eatr alone reads it."""
    machine = fresh.machine
    assert fresh.packages.owner(machine, "/usr/bin/eatr") == "eatr"
    version = fresh.packages.version(fresh.packages.first)
    assert machine.do("eatr", "--version") == f"eatr {version}"
    modes = machine.do("stat", "--format=%a %U:%G %n", DIRECTORY, CONFIG).splitlines()
    assert modes == [f"750 root:eatr {DIRECTORY}", f"640 root:eatr {CONFIG}"]
    assert machine.run("runuser", "-u", "nobody", "--", "cat", CONFIG).rc != 0
    user = machine.do("getent", "passwd", "eatr").split(":")
    assert user[6].endswith("nologin") and machine.do("id", "-Gn", "eatr") == "eatr"


def test_the_manual_is_installed(fresh: OpsHost) -> None:
    """man finds both pages, and shows what they are about."""
    machine = fresh.machine
    for section, page in (("8", "eatr"), ("5", "eatr.conf")):
        assert f"man{section}/{page}.{section}" in machine.do("man", "-w", section, page)
        shown = machine.do("man", section, page)
        assert shown.startswith(page.upper()) and "DESCRIPTION" in shown


def test_the_units_are_in_order(fresh: OpsHost) -> None:
    """systemd has nothing to say about them, and would confine them well."""
    machine = fresh.machine
    verified = machine.run("systemd-analyze", "verify", "eatr.service", "eatr@second.service")
    assert (verified.rc, verified.stdout, verified.stderr) == (0, "", "")
    path = machine.property(UNIT, "FragmentPath")
    for unit in (path, path.replace("eatr.service", "eatr@.service")):
        rated = machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=11", unit)
        assert rated.rc == 0 and "Overall exposure level" in rated.stdout, rated


# Configured ---------------------------------------------------------------------------------------------


def test_a_start_returns_when_every_wanted_namespace_has_its_secret(installed: OpsHost) -> None:
    """None of the blacklisted ones has; it takes one AWS call and a few lines in the journal."""
    installed.configure()
    calls, cursor = len(installed.ecr.calls), installed.machine.cursor()
    installed.systemctl("start").check()
    secrets = installed.cluster.secrets(SECRET)
    mine = {name for name in secrets if name.startswith(f"{installed.prefix}-")}
    assert mine == set(installed.wanted)
    assert {token_of(secrets[name], installed.ecr) for name in mine} <= set(installed.ecr.tokens)
    assert len(installed.ecr.calls) == calls + 1
    assert 1 <= len(installed.said(cursor)) < MESSAGES_OF_A_START


def test_the_status_line_says_what_is_the_case(service: OpsHost) -> None:
    """How many namespaces have a Secret, how many are none of eatr's, and how long the token is good."""
    count = len(service.wanted)

    def find() -> str:
        others = len(service.cluster.namespaces()) - count
        right = f"{count} of {count} namespaces have a fresh Secret, {others} excluded; token good until "
        text = service.machine.property(UNIT, "StatusText")
        return text if text.startswith(right) else ""

    text = service.machine.wait(find, 5, "the status line is right")  # other tests' namespaces come and go
    assert re.search(r"until \d{4}-\d\d-\d\dT\S+Z \(1[12]h( \S+)?\), next in [56]h( \S+)?$", text), text
    status = service.systemctl("status").check()
    assert f'Status: "{text}"' in status


def test_it_runs_in_the_sandbox_of_the_unit(service: OpsHost) -> None:
    """As systemd says, and as the kernel does."""
    asked = ("NoNewPrivileges", "ProtectSystem", "User", "SystemCallFilter", "CapabilityBoundingSet")
    shown = service.machine.show(UNIT, *asked)
    calls = shown.pop("SystemCallFilter").split()
    assert shown == {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "User": "eatr",
        "CapabilityBoundingSet": "",
    }
    assert "epoll_wait" in calls and not {"mount", "ptrace", "chown", "setuid"} & set(calls)
    status = service.machine.read(f"/proc/{service.main_pid()}/status")
    kernel = dict(line.split(":\t", 1) for line in status.splitlines())
    assert (kernel["Seccomp"], kernel["NoNewPrivs"]) == ("2", "1")
    assert {int(kernel[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    user = service.machine.do("id", "-u", "eatr")
    assert kernel["Uid"].split() == [user] * 4
    pids = (service.main_pid(), 1)
    ours, theirs = (service.machine.do("readlink", f"/proc/{pid}/ns/user") for pid in pids)
    assert ours != theirs


def test_the_sandbox_has_what_it_must_not_touch_read_only(service: OpsHost) -> None:
    """All of the file system, in the service's own view of it."""
    pid = service.main_pid()
    mounts = service.machine.read(f"/proc/{pid}/mountinfo").splitlines()
    options = {line.split()[4]: line.split()[5].split(",") for line in mounts}
    assert "ro" in options["/"] and "noexec" in options["/"]


# What people change -------------------------------------------------------------------------------------


def test_a_reload_takes_a_new_blacklist(service: OpsHost) -> None:
    """Those that are allowed now get their Secret, from the process that runs."""
    pid, calls = service.main_pid(), len(service.ecr.calls)
    sandbox = f"{service.prefix}-sandbox-{service.prefix}"
    service.cluster.create_namespace(sandbox)
    service.configure({"namespaces": {"blacklist": f"{service.prefix}-sandbox-[0-9]*"}})
    try:
        service.systemctl("reload").check()
        service.wait_token(sandbox)
        assert (service.main_pid(), len(service.ecr.calls)) == (pid, calls)
        secrets = service.cluster.secrets(SECRET)
        assert not secrets.keys() & set(service.sandboxes)
    finally:
        service.cluster.delete_namespace(sandbox)


def test_a_change_is_taken_without_a_reload(service: OpsHost) -> None:
    """eatr sees from within its sandbox that somebody has written its file."""
    pid, calls = service.main_pid(), len(service.ecr.calls)
    sandbox = f"{service.prefix}-sandbox-open"  # one of another test may still be terminating
    service.cluster.create_namespace(sandbox)
    try:
        service.configure({"namespaces": {"blacklist": f"{service.prefix}-sandbox-[0-9]*"}})
        service.wait_token(sandbox)
        assert (service.main_pid(), len(service.ecr.calls)) == (pid, calls)
        assert not service.cluster.secrets(SECRET).keys() & set(service.sandboxes)
    finally:
        service.cluster.delete_namespace(sandbox)


def test_a_program_that_prints_credentials_is_in_the_sandbox_too(installed: OpsHost) -> None:
    """It runs, as eatr's user and behind its filter, and what it has to say is in the journal."""
    machine, ecr = installed.machine, installed.ecr
    keys = {"Version": 1, "AccessKeyId": ecr.access_key, "SecretAccessKey": ecr.secret_key}
    status = "grep -e NoNewPrivs -e Seccomp: /proc/self/status >&2"
    lines = ("#!/bin/sh", 'echo "I am $(id -un)" >&2', status, f"echo '{json.dumps(keys)}'")
    machine.put(PROGRAM, "\n".join(lines) + "\n", 0o755)
    no_keys = {"aws_access_key_id": None, "aws_secret_access_key": None}
    cursor = machine.cursor()
    try:
        installed.configure({"aws": {**no_keys, "credential_process": PROGRAM}})
        installed.systemctl("start").check()
        installed.wait_token(*installed.wanted)
        installed.wait_said(cursor, "print-keys: I am eatr$")
        installed.wait_said(cursor, r"print-keys: NoNewPrivs:\s*1$")
        installed.wait_said(cursor, r"print-keys: Seccomp:\s*2$")
    finally:
        machine.do("rm", PROGRAM)


def test_a_reload_refuses_a_broken_configuration(service: OpsHost) -> None:
    """It says where the mistake is, and eatr goes on with what it had."""
    pid, cursor = service.main_pid(), service.machine.cursor()
    text = service.configure() + BAD_KEY
    service.machine.put(CONFIG, text, 0o640, "eatr")
    assert service.systemctl("reload").rc != 0
    service.wait_said(cursor, mistake(text))
    assert (service.state(), service.main_pid()) == ("active", pid)
    service.wait_token(service.new_namespace())
    assert service.machine.property(UNIT, "NRestarts") == "0"


def test_a_start_with_a_broken_configuration_fails_once_and_says_why(installed: OpsHost) -> None:
    """With exit status 78 and no second try; the reason is in the status."""
    text = installed.configure() + BAD_KEY
    installed.machine.put(CONFIG, text, 0o640, "eatr")
    assert installed.systemctl("start").rc != 0
    asked = ("ActiveState", "SubState", "NRestarts", "ExecMainStatus", "Result")
    assert installed.machine.show(UNIT, *asked) == {
        "ActiveState": "failed",
        "SubState": "failed",
        "NRestarts": "0",
        "ExecMainStatus": str(EX_CONFIG),
        "Result": "exit-code",
    }
    assert re.search(mistake(text), installed.systemctl("status").stdout)


def mistake(text: str) -> str:
    """A regex for a message that says which line of the configuration is wrong."""
    line = text.splitlines().index("blackist = kube-*") + 1
    return rf"{CONFIG}:{line}: .*blackist"


def test_a_second_instance_works_beside_the_first(service: OpsHost) -> None:
    """With a configuration, a kubeconfig, a Secret and a port of its own."""
    try:
        changes = {"secret": {"name": "second"}, "metrics": {"listen": f"127.0.0.1:{SECOND_PORT}"}}
        service.configure(changes, instance="second")
        service.systemctl("start", "eatr@second").check()
        assert service.cluster.secrets("second").keys() == set(service.wanted)
        states = {unit: service.machine.property(unit, "ActiveState") for unit in (UNIT, "eatr@second")}
        assert states == {UNIT: "active", "eatr@second": "active"}
        created = service.metric("secrets_created_total", SECOND_PORT)
        assert (created, service.metric("secrets_created_total")) == (len(service.wanted), 0)
    finally:
        service.systemctl("stop", "eatr@second")
        for namespace in service.cluster.secrets("second"):
            service.cluster.delete_secret(namespace, "second")


def test_credentials_may_be_encrypted_as_the_example_says(installed: OpsHost) -> None:
    """The plain files are gone, and it starts and works."""
    machine = installed.machine
    installed.configure()
    use_example(installed, "encrypted-credentials.conf")
    commands = machine.read(f"{EXAMPLES}/encrypted-credentials.conf")
    for command in re.findall(r"^#\s+systemd-creds (.*)", commands, re.M):
        machine.do("env", "-C", DIRECTORY, "systemd-creds", "--with-key=host", *command.split())
    machine.do("rm", CONFIG, KUBECONFIG)
    installed.systemctl("start").check()
    assert installed.state() == "active"
    installed.wait_token(installed.new_namespace())


def test_addresses_may_be_limited_as_the_example_says(installed: OpsHost) -> None:
    """It works with loopback, which is listed; and without it nothing gets through."""
    installed.configure()
    use_example(installed, "ip-allow-list.conf")
    installed.systemctl("start").check()
    shown = installed.machine.show(UNIT, "IPAddressDeny", "IPAddressAllow")
    assert {"::/0", "0.0.0.0/0"} <= set(shown["IPAddressDeny"].split())
    assert "127.0.0.0/8" in shown["IPAddressAllow"]
    installed.wait_token(installed.new_namespace())
    assert installed.machine.connects(METRICS_PORT)
    installed.drop_in("[Service]\nIPAddressAllow=\nIPAddressAllow=192.0.2.1\n", "without-localhost.conf")
    calls = len(installed.ecr.calls)
    installed.systemctl("restart", UNIT, "--no-block").check()
    installed.machine.wait(lambda: installed.machine.listens(METRICS_PORT), 10, "eatr listens")
    assert not installed.machine.connects(METRICS_PORT)
    assert len(installed.ecr.calls) == calls


def use_example(host: OpsHost, name: str) -> None:
    """Puts a drop-in from the documentation where it says that it goes."""
    host.machine.do("install", "-D", "--mode=0644", f"{EXAMPLES}/{name}", f"{DROP_INS}/{name}")
    host.machine.do("systemctl", "daemon-reload")


# What it says -------------------------------------------------------------------------------------------


def test_the_journal_can_be_asked_for_a_namespace_and_for_a_part_of_eatr(service: OpsHost) -> None:
    """Each message has the fields that journalctl selects by."""
    namespace = f"{service.prefix}-{service.prefix}-foreign"
    service.cluster.create_namespace(namespace)
    service.cluster.put_secret(namespace, SECRET, {"key": "somebody's own"})
    cursor = service.machine.cursor()
    service.configure({"namespaces": {"include": f"{service.prefix}-[0-9]*, {namespace}"}})
    try:
        service.systemctl("restart").check()
        about = service.said(cursor, f"EATR_NAMESPACE={namespace}")
        assert about and all(namespace in entry["MESSAGE"] for entry in about)
        entries = service.said(cursor)
        for entry in entries:
            assert entry["SYSLOG_IDENTIFIER"] == "eatr" and re.fullmatch(r"[a-z0-9-]+", entry["EATR_MODULE"])
            assert ("EATR_NAMESPACE" in entry) == (namespace in entry["MESSAGE"]), json.dumps(entry)
        module = about[0]["EATR_MODULE"]
        assert about[0] in service.said(cursor, f"EATR_MODULE={module}")
    finally:
        service.cluster.delete_namespace(namespace)


def test_the_journal_explains_what_it_says(service: OpsHost) -> None:
    """The catalog that was installed has an entry for each message that has an identifier."""
    cursor = service.machine.cursor()
    service.systemctl("restart").check()
    service.wait_said(cursor, "^eatr ")
    entries = [entry for entry in service.said(cursor) if "MESSAGE_ID" in entry]
    assert len(entries) >= 2
    for entry in entries:
        text = service.machine.do("journalctl", "--catalog", f"MESSAGE_ID={entry['MESSAGE_ID']}", "--lines=1")
        assert re.search(r"^\W+ Subject: \w", text, re.M) and " Defined-By: eatr\n" in text, text


def test_no_secret_is_in_the_journal_or_in_what_systemctl_tells(installed: OpsHost) -> None:
    """Not even when each HTTP exchange is logged."""
    installed.configure({"log": {"verbosity": 10}})
    cursor = installed.machine.cursor()
    installed.systemctl("start").check()
    installed.wait_token(installed.new_namespace())
    assert len(installed.said(cursor)) > 2 * MESSAGES_OF_A_START
    assert installed.find_leaks() == []
