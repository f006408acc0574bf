"""What must never be in eatr's output: reports of sanitizers, and pieces of secrets."""

from __future__ import annotations

import base64
import contextlib
import re
import urllib.parse
from collections.abc import Iterable, Mapping

_REPORT = re.compile(
    r"(ERROR|WARNING|SUMMARY): \w+Sanitizer|runtime error:|ERROR SUMMARY: [1-9]|definitely lost: [1-9]"
)
_PIECE = 20  # characters


def find_reports(lines: Iterable[str]) -> list[str]:
    """Lines in which a sanitizer or valgrind reports an error."""
    return [line for line in lines if _REPORT.search(line)]


def find_leaks(secrets: Iterable[str], places: Mapping[str, str]) -> list[str]:
    """Names the places whose text has a piece of a secret, as it is or encoded.

    Encoded means: in base64, wherever the secret begins in what was encoded; percent-encoded; as JSON has a
    slash. A secret that is base64 itself is looked for decoded, too.
    """
    pieces: set[str] = set()
    for secret in set(filter(None, secrets)):
        for form in _forms(secret):
            pieces |= _pieces(form)
    return [
        f"a secret is in {place}" for place, text in places.items() if any(piece in text for piece in pieces)
    ]


def _forms(secret: str) -> set[str]:
    """How a secret may be written."""
    forms = {secret, secret.replace("/", "\\/"), urllib.parse.quote(secret, safe="")}
    with contextlib.suppress(ValueError):
        decoded = base64.b64decode(secret, validate=True).decode()
        forms |= {decoded, urllib.parse.quote(decoded, safe="")}
    forms |= {re.sub("%..", lambda match: match[0].lower(), form) for form in forms}
    if len(secret) >= 9:  # of what is shorter too few characters are sure
        forms |= {_base64(secret, before) for before in range(3)}
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}


def _base64(secret: str, before: int) -> str:
    """The characters that are sure, whatever the bytes before it, so many, and behind it are."""
    data = secret.encode()[-before % 3 :]
    return base64.b64encode(data[: len(data) // 3 * 3]).decode()


def _pieces(secret: str) -> set[str]:
    """Beginning, middle and end: a log that shows a part is no better than one that shows all."""
    last = len(secret) - _PIECE
    if last <= 0:
        return {secret} - {""}
    return {secret[start : start + _PIECE] for start in (0, last // 2, last)}
