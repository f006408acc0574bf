"""Upgrading and removing the packages while eatr works, on a machine with a real systemd."""

from __future__ import annotations

import re

import pytest

from eatr import REPOSITORY, to_ini, wait_for
from ops_host import CONFIG, DIRECTORY, KUBECONFIG, UNIT, OpsHost
from packages import Deb, Rpm

pytestmark = pytest.mark.systemd

# The old version takes longer for a renewal than until the next one, so that an upgrade meets one for sure.
SLOW: dict[str, object] = {"max_writes_per_second": 30, "auth_token_renewal_interval": "5s"}
FAST: dict[str, object] = {"max_writes_per_second": 0, "auth_token_renewal_interval": "8s"}

# Caches, logs and databases of the package managers are no package's; and users stay.
IGNORED = re.compile(
    r"/var/(cache|log|tmp|lib/dpkg|lib/rpm|lib/systemd/catalog|lib/systemd/deb-systemd-helper-masked)(/|$)"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock$|/etc/ld\.so\.cache$"
    r"|/root/\.rpmdb(/|$)|/usr/share/licenses$"  # the folder is every rpm system's, but not Debian's
)


def test_an_upgrade_in_the_middle_of_a_renewal_runs_the_new_version_and_loses_nothing(
    installed: OpsHost, many_namespaces: list[str]
) -> None:
    """Every namespace ends with a good Secret, which is the one that it had; the configuration is kept."""
    name = f"upgraded-{installed.prefix}"
    changes: dict[str, dict[str, object]] = {"namespaces": {"include": "many-*"}, "secret": {"name": name}}
    installed.configure({**changes, "renewal": FAST})
    installed.systemctl("start").check()
    before = installed.identities(name, many_namespaces)
    assert before.keys() == set(many_namespaces)
    installed.configure({**changes, "renewal": SLOW})
    installed.systemctl("stop").check()
    installed.systemctl("start", UNIT, "--no-block").check()
    installed.machine.wait(lambda: installed.metric("secret_renewals_total") > 0, 30, "a renewal has begun")
    pid, cursor = installed.main_pid(), installed.machine.cursor()
    text = installed.configure({**changes, "renewal": FAST})

    installed.install(installed.packages.next).check()
    new = installed.wait_restarted(pid)
    last = [entry["MESSAGE"] for entry in installed.said(cursor, f"_PID={pid}")]
    assert "Stopping" in last[-1] and not any("Pass done" in message for message in last), last
    version = installed.packages.version(installed.packages.next)
    assert version != installed.packages.version(installed.packages.first)
    assert installed.machine.do("eatr", "--version") == f"eatr {version}"
    assert installed.machine.do("readlink", f"/proc/{new}/exe") == "/usr/bin/eatr"  # else: (deleted)
    assert installed.machine.do(f"/proc/{new}/exe", "--version") == f"eatr {version}"
    assert installed.machine.read(CONFIG) == text.rstrip("\n")
    wait_for(lambda: installed.fresh(name, many_namespaces), 30, "every namespace has the last token")
    after = installed.identities(name, many_namespaces)
    assert after.keys() == before.keys()
    for namespace, secret in after.items():
        assert secret.uid == before[namespace].uid and secret.version != before[namespace].version


def test_an_upgrade_leaves_alone_what_was_stopped(installed: OpsHost) -> None:
    """It is enabled, so that the next boot starts it, but nobody asked for that now."""
    installed.configure()
    installed.systemctl("enable", UNIT, "--now").check()
    installed.systemctl("stop").check()
    installed.install(installed.packages.next).check()
    assert installed.state() == "inactive"
    assert installed.systemctl("is-enabled").stdout.strip() == "enabled"
    assert installed.machine.do("eatr", "--version").endswith(
        installed.packages.version(installed.packages.next)
    )
    installed.systemctl("start").check()
    installed.wait_token(installed.new_namespace())


@pytest.mark.parametrize("ops_host", ["deb"], indirect=True)
def test_a_deb_that_is_removed_keeps_the_configuration_and_purged_leaves_only_the_user(
    ops_host: OpsHost,
) -> None:
    """Installed again it works by itself; after the purge every file on the machine is as before."""
    machine, packages = ops_host.machine, ops_host.packages
    assert isinstance(packages, Deb)
    ops_host.purge()
    before = files(ops_host)
    ops_host.install().check()
    text = ops_host.configure()
    ops_host.systemctl("start").check()
    secrets, pid = ops_host.identities(), ops_host.main_pid()

    packages.remove(machine).check()
    assert not machine.exists(f"/proc/{pid}") and not machine.exists("/usr/bin/eatr")
    assert machine.read(CONFIG) == text.rstrip("\n") and machine.exists(KUBECONFIG)
    assert machine.do("stat", "--format=%a %U:%G", CONFIG) == "640 root:eatr"
    assert ops_host.identities() == secrets

    ops_host.install().check()
    assert ops_host.state() == "active"
    assert machine.read(CONFIG) == text.rstrip("\n")
    ops_host.wait_token(ops_host.new_namespace())

    packages.purge(machine)
    assert not machine.exists(DIRECTORY)
    assert files(ops_host) == before
    assert machine.run("getent", "passwd", "eatr").rc == 0
    assert machine.property(UNIT, "LoadState") == "not-found"


@pytest.mark.parametrize("ops_host", ["deb"], indirect=True)
def test_the_tests_of_the_debian_package_pass(ops_host: OpsHost) -> None:
    """Those that autopkgtest would run: without AWS and without a cluster."""
    ops_host.purge()
    ops_host.install().check()
    script = (REPOSITORY / "debian" / "tests" / "service").read_text(encoding="utf-8")
    ops_host.machine.put("/run/service-test", script)
    try:
        ops_host.machine.run("bash", "/run/service-test").check()
    finally:
        ops_host.purge()


@pytest.mark.parametrize("ops_host", ["rpm"], indirect=True)
def test_an_rpm_is_as_its_database_says_after_each_step(ops_host: OpsHost) -> None:
    """Installed, started, upgraded; erased it leaves the configuration that was changed, and the user."""
    machine, packages = ops_host.machine, ops_host.packages
    assert isinstance(packages, Rpm)
    ops_host.purge()
    before = files(ops_host)
    ops_host.install().check()
    assert packages.verify(machine) == ""
    shipped = machine.read(CONFIG)
    machine.put(KUBECONFIG, ops_host.kubeconfig, 0o640, "eatr")
    machine.put(f"{DIRECTORY}/eatr.conf.d/site.conf", to_ini(ops_host.config()), 0o640, "eatr")
    ops_host.systemctl("enable", UNIT, "--now").check()
    pid = ops_host.main_pid()
    assert packages.verify(machine) == ""

    ops_host.install(packages.next).check()
    ops_host.wait_restarted(pid)
    assert packages.verify(machine) == ""
    assert ops_host.systemctl("is-enabled").stdout.strip() == "enabled"

    changed = shipped + "\n# changed\n"
    machine.put(CONFIG, changed, 0o640, "eatr")
    pid = ops_host.main_pid()
    packages.remove(machine).check()
    assert not machine.exists(f"/proc/{pid}") and not machine.exists("/usr/bin/eatr")
    assert machine.read(f"{CONFIG}.rpmsave") == changed.rstrip("\n")
    machine.do("rm", "-rf", DIRECTORY)
    assert files(ops_host) == before
    assert machine.run("getent", "passwd", "eatr").rc == 0


def files(host: OpsHost) -> set[str]:
    """The machine's files that are not as on this side, but for those in IGNORED."""
    return {path for path in host.machine.changed_files() if not IGNORED.match(path)}
