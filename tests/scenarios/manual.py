"""The worked examples of eatr.conf(5), as its source marks them.

    .\\" EXAMPLE NAME        a whole configuration
    .\\" PART NAME           a part of one
    .\\" BESIDE NAME WHAT    what belongs to that EXAMPLE: a file, by its path, or `shell` for commands
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass, field

from eatr import REPOSITORY

MANUAL = REPOSITORY / "man/eatr.conf.5.in"
_BLOCK = re.compile(
    r'^\.\\" (EXAMPLE|PART|BESIDE) (\S+)(?: (\S+))?\n\.Bd -literal -offset indent\n(.*?)^\.Ed$', re.M | re.S
)
_NOT_PLAIN = re.compile(r"\\|^[.']|@\w+@", re.M)  # what is not shown as it stands there


@dataclass(frozen=True)
class Example:
    """A whole configuration, and what the manual shows beside it."""

    name: str
    text: str
    beside: dict[str, str] = field(default_factory=dict)  # path, or `shell` -> text

    @property
    def config(self) -> configparser.ConfigParser:
        """The configuration, parsed."""
        return parse_ini(self.text)


def parse_ini(text: str) -> configparser.ConfigParser:
    """Sections of KEY = VALUE."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def read_examples() -> dict[str, Example]:
    """All whole ones, by name. An AssertionError for a block that is not marked, or not plain."""
    _, _, page = MANUAL.read_text(encoding="utf-8").partition("\n.Sh EXAMPLES\n")
    blocks = _BLOCK.findall(page)
    marks = re.findall(r'^\.\\"', page, re.M)
    assert len(blocks) == page.count(".Bd ") == len(marks) > 0, "a block without a mark"
    examples: dict[str, Example] = {}
    for kind, name, what, text in blocks:
        assert not _NOT_PLAIN.search(text), f"{kind} {name} is not shown as it stands there"
        assert bool(what) == (kind == "BESIDE"), f"{kind} {name} {what}"
        if kind == "EXAMPLE":
            assert name not in examples, f"there are two of {name}"
            examples[name] = Example(name, text)
        elif kind == "BESIDE":
            assert what not in examples[name].beside, f"{name} has two of {what}"
            examples[name].beside[what] = text
    return examples
