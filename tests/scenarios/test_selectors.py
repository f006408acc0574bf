"""Label selectors: what eatr makes of each, against what a real kube-apiserver answers to the same one.

tests/show-selected prints eatr's answer. Whatever the API server refuses eatr has to refuse, and the other way
round; and of the same namespaces both have to take the same.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from control_plane import ControlPlane
from eatr import find_binary

PREFIX = "select-"

# Keys and values that are of use to selectors, some alike, some that are words of their grammar.
KEYS = ("a", "b", "A", "in", "notin", "n", "x-1", "x.y_z", "example.com/a", "a.b-c.example.com/x_y.z")
VALUES = ("", "a", "b", "B", "in", "notin", "1", "5", "007", "10", "9223372036854775807", "9223372036854775808",
          "1.5", "x-y_z.0")  # fmt: skip

CORNERS = """\
a=b|a==b|a = b|a  ==  b|a!=b|a != b|a=|a==|a!=|a|!a| ! a|a,b|a , b|a,!b|a=b,c!=d,e in (x,y),f notin (z),g,!h
a in (a,b)|a in(a,b)|a in (a, b)|a in ( a )|a notin (a,b)|a notin(a)|a in (a,a)|a in (,)|a in (a,)|a in (,a)
a in (a,,b)|a notin (,)|a notin (a,)|a in (,,)|a in (a,,)|a in (,,a)|a in (,,,)|a in (,,,,)|a in (,a,)|a in (a,,,b)
a in (a,,b,,)|a in (a,b,)|a in ( , )|a in (,,a,)|in|notin|!in|in=in|in in (in)|in in (in,notin)|notin notin (notin)
notin in (notin)|in notin (in)|a=in|a=notin|a!=in|a in (in)|in,notin|in in in|in in|in (a)|n>1|n<10|n > 1|n < 10
n>5,n<11|n>0|n<0|n>007|n>9223372036854775806|n<9223372036854775807|n>1,n!=10|!n,n|b>1|a<5|n>1,a=b
example.com/a|example.com/a=a|!example.com/a|a.b-c.example.com/x_y.z in (a,b)|kubernetes.io/metadata.name
A=B|A!=b|x-1|x.y_z!=a|a=x-y_z.0|a==b,c=d,|,|,a|a,|a,,b|=|=a|==a|!=a|!|!!a|! !a|!a=b|!a!=b|!a in (b)|a b|a b=c
a=b c|a=b=c|a===b|a====b|a=!b|a!b|a!|a!==b|a=!=b|a><b|a>=5|n>=5|n=>5|n<=5|n<>5|a in|a in b|a in b,c|a in ()|a notin ()
a in (|a in (a|a in (a,|a in a)|a)|(a)|(a=b)|a=(b)|a=b)|a in ((a))|a in (a))|a in (a) b|a in (a),b|a in (a)b|a in (a b)
a in (a=b)|a in (!a)|a in (a,!b)|a in (a(b)|a IN (a)|a In (a)|a NotIn (a)|a not in (a)|a inn (a)|a ni (a)|a in,b
a notin,b|n>|n<|n>a|n>1.5|n>-1|n>+1|n>1,|n>9223372036854775807|n>9223372036854775808|n<99999999999999999999|n>0x5|n>1_0
n>1 2|n>(1)|>1|n > |-a|a-|_a|a_|.a|a.|a..b|a--b|a=-b|a=b-|a=_b|a=.b|a=b.|a=b..c|a=b/c|a/b/c|/a|a/|a//b|/|A/a|a.B/c
a_b/c|-a/c|a-/c|a.-b/c|a-.b/c|a..b/c|.a/c|a./c|1/1|a:b|a=b:c|a;b|a|b&c|a=b*|*|?|"a"|"a"="b"|'a'='b'|a="b"|a=\\b|a=b\\,c|a+b
a=ä|ä|a in (ä)|a=b c,d|a=b,c d|a notin (b) , c in (d) ,!e|a@b|a=b@c|a=#|#|a=%|$a|a{b}|a[0]|a~b|a=~b|a!~b
"""  # noqa: E501


@dataclass
class Judge:
    """The API server, and the namespaces that both answer about."""

    cluster: ControlPlane
    items: list[Any]

    def chosen(self, selector: str) -> set[str] | None:
        """The namespaces that it takes; None: it refuses the selector."""
        status, answer = self.cluster.request("GET", "/api/v1/namespaces?" + urlencode({"labelSelector": selector}))
        assert status in (200, 400), (selector, status, answer)
        if status == 400:
            return None
        names = {str(item["metadata"]["name"]) for item in answer["items"]}
        return {name for name in names if name.startswith(PREFIX)}

    def eatr(self, selector: str) -> tuple[set[str] | None, str]:
        """Those that eatr takes, and its error."""
        program = find_binary().parent / "tests" / "show-selected"
        assert program.is_file(), f"no {program}: make check builds it"
        listed = json.dumps({"items": self.items})
        done = subprocess.run([program, selector], input=listed, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), (selector, done)
        return (set(done.stdout.split()) if done.returncode == 0 else None), done.stderr

    def check(self, selectors: list[str]) -> tuple[int, int]:
        """Asserts that they agree on each; returns how many were refused, and took some but not all."""
        refused = some = 0
        for selector in selectors:
            theirs, (ours, error) = self.chosen(selector), self.eatr(selector)
            assert ours == theirs, (selector, error)
            assert (theirs is None) == error.startswith("at character "), (selector, error)
            refused += theirs is None
            some += theirs is not None and 0 < len(theirs) < len(self.items)
        return refused, some


@pytest.fixture(scope="module")
def judge(control_plane: ControlPlane) -> Iterator[Judge]:
    """Forty namespaces with labels of all sorts, and one with none."""
    chance = random.Random(4711)
    for number in range(40):
        keys = chance.sample(KEYS, chance.randrange(1, 7)) if number else []
        labels = {key: chance.choice(VALUES) for key in keys}
        control_plane.create_namespace(f"{PREFIX}{number}", labels)
    items = [item for name, item in control_plane.namespaces().items() if name.startswith(PREFIX)]
    assert len(items) == 40
    yield Judge(control_plane, items)


def corner_cases() -> list[str]:
    """Those above, with blanks of other kinds, and what is too long by one character, or just not."""
    cases = [case for line in CORNERS.splitlines() for case in line.split("|")]
    cases += ["", " ", "\t", "a\t=\nb", "a=b\r\n", "\na", "a\vb", "a=b\f", "\u00a0a", "a=\u00a0", "a|b"]
    for length in (63, 64):
        cases += ["y" * length, "a=" + "y" * length, "p.q/" + "y" * length, f"a in (b,{'y' * length})"]
    for length in (253, 254):
        cases += ["z" * length + "/a"]
    return cases


def requirement(chance: random.Random) -> str:
    """One that is good."""
    key, blank = chance.choice(KEYS), chance.choice(("", " "))
    kind = chance.randrange(8)
    if kind < 2:
        return chance.choice(("", "!")) + blank + key
    if kind < 5:
        return f"{key}{blank}{chance.choice(('=', '==', '!='))}{blank}{chance.choice(VALUES)}"
    if kind < 7:
        values = chance.sample(VALUES[1:], chance.randrange(1, 4)) + [""] * chance.randrange(2)
        return f"{key} {chance.choice(('in', 'notin'))}{blank}({(',' + blank).join(values)})"
    return f"n{blank}{chance.choice('<>')}{blank}{chance.choice(('1', '5', '007', '10', '9223372036854775806'))}"


def random_cases(seed: int, count: int) -> list[str]:
    """Good selectors, and as many with a character or a word too many, too few, or at another place."""
    chance = random.Random(seed)
    good = [",".join(requirement(chance) for _ in range(chance.randrange(1, 4))) for _ in range(count)]
    words = ["(", ")", ",", "=", "!", "<", ">", " ", "in", "notin", "a", "-", "/", "", "=="]
    bad = []
    for text in good:
        at = chance.randrange(len(text))
        bad.append(text[:at] + chance.choice(words) + text[at + chance.randrange(2) :])
    return good + bad


def test_corner_cases(judge: Judge) -> None:
    """Each turn of the grammar and of the rules for keys and values."""
    refused, some = judge.check(corner_cases())
    assert refused > 100 and some > 50


def test_random_selectors(judge: Judge) -> None:
    """Always the same ones."""
    refused, some = judge.check(random_cases(1, 150))
    assert refused > 50 and some > 100
