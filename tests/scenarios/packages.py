"""The packages under test: how each kind is installed, upgraded, asked and taken away.

$EATR_TEST_DEB and $EATR_TEST_DEB_NEXT name the files of a version and of the one after it, and
$EATR_TEST_RPM and $EATR_TEST_RPM_NEXT the same for RPM.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from machine import Machine, Result

NAME = "eatr"


@dataclass(frozen=True)
class Packages:
    """Two versions of a package of one kind."""

    first: Path
    next: Path

    def prepare(self, machine: Machine) -> None:
        """Makes a new machine more like those that the packages are for."""

    def install(self, machine: Machine, file: Path) -> Result:
        """Installs a package, or upgrades to it."""
        raise NotImplementedError

    def remove(self, machine: Machine) -> Result:
        """Takes the package away, and leaves what somebody has configured."""
        raise NotImplementedError

    def purge(self, machine: Machine) -> None:
        """Takes away the package, and what was configured."""
        raise NotImplementedError

    def installed(self, machine: Machine) -> str:
        """The version that is installed, without the package's release; empty if none is."""
        raise NotImplementedError

    def version(self, file: Path) -> str:
        """The version of a package file, without the package's release."""
        raise NotImplementedError

    def owner(self, machine: Machine, path: str) -> str:
        """The name of the package that a file is from."""
        raise NotImplementedError


class Deb(Packages):
    """Debian's."""

    kind = "deb"
    enabled = True  # as soon as it is installed, as usual in Debian

    def install(self, machine: Machine, file: Path) -> Result:
        """With dpkg, as apt wants its lists."""
        return machine.run("dpkg", "--install", machine.put(f"/tmp/{file.name}", file.read_bytes()))

    def remove(self, machine: Machine) -> Result:
        """dpkg --remove."""
        return machine.run("dpkg", "--remove", NAME)

    def purge(self, machine: Machine) -> None:
        """dpkg --purge."""
        machine.do("dpkg", "--purge", NAME)

    def installed(self, machine: Machine) -> str:
        """By dpkg's status."""
        asked = machine.run("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", NAME)
        status, _, version = asked.stdout.partition(" ")
        return _upstream(version) if status == "installed" else ""

    def version(self, file: Path) -> str:
        """By the control file."""
        return _upstream(_output("dpkg-deb", "--field", str(file), "Version"))

    def owner(self, machine: Machine, path: str) -> str:
        """dpkg --search."""
        return machine.do("dpkg", "--search", path).partition(":")[0]


class Rpm(Packages):
    """RPM's, on a machine whose libraries are dpkg's."""

    kind = "rpm"
    enabled = False  # presets and people decide

    def prepare(self, machine: Machine) -> None:
        """Has the policy of Fedora and RHEL; Debian, which has none, enables what no preset is for."""
        machine.put("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")

    def install(self, machine: Machine, file: Path) -> Result:
        """Installs or upgrades without regard to dependencies."""
        path = machine.put(f"/tmp/{file.name}", file.read_bytes())
        return machine.run("rpm", "--upgrade", "--nodeps", path)

    def remove(self, machine: Machine) -> Result:
        """rpm --erase."""
        return machine.run("rpm", "--erase", "--nodeps", NAME)

    def purge(self, machine: Machine) -> None:
        """Erases it, and what it has kept."""
        if self.installed(machine):
            self.remove(machine).check()
        machine.do("rm", "-rf", "/etc/eatr")

    def installed(self, machine: Machine) -> str:
        """By RPM's database."""
        asked = machine.run("rpm", "--query", "--queryformat=%{VERSION}", NAME)
        return asked.stdout if asked.rc == 0 else ""

    def version(self, file: Path) -> str:
        """By the header."""
        return _output("rpm", "--query", "--package", "--queryformat=%{VERSION}", str(file))

    def owner(self, machine: Machine, path: str) -> str:
        """rpm --query --file."""
        return machine.do("rpm", "--query", "--queryformat=%{NAME}", "--file", path)

    def verify(self, machine: Machine) -> str:
        """What rpm --verify finds to be different from the package; empty if nothing."""
        verified = machine.run("rpm", "--verify", "--nodeps", NAME)
        return verified.stdout + verified.stderr


Kind = Deb | Rpm


def find_packages(kind: str) -> Kind | str:
    """The packages of a kind, or why there are none."""
    files = []
    for variable in (f"EATR_TEST_{kind.upper()}", f"EATR_TEST_{kind.upper()}_NEXT"):
        file = Path(os.environ.get(variable, ""))
        if not file.is_file():
            return f"{variable} does not name a package ({file})"
        files.append(file.absolute())
    return Deb(*files) if kind == "deb" else Rpm(*files)


def _upstream(version: str) -> str:
    return version.partition("-")[0]


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
