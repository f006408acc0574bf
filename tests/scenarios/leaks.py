"""What must never be in eatr's output: reports of sanitizers, and pieces of secrets."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Mapping

_REPORT = re.compile(
    r"(ERROR|WARNING|SUMMARY): \w+Sanitizer|runtime error:|ERROR SUMMARY: [1-9]|definitely lost: [1-9]"
)
_PIECE = 20  # characters


def find_reports(lines: Iterable[str]) -> list[str]:
    """Lines in which a sanitizer or valgrind reports an error."""
    return [line for line in lines if _REPORT.search(line)]


def find_leaks(secrets: Iterable[str], places: Mapping[str, str]) -> list[str]:
    """Names the places whose text has a piece of a secret, or of what a secret is the base64 of."""
    pieces: set[str] = set()
    for secret in filter(None, secrets):
        pieces |= _pieces(secret)
        with contextlib.suppress(ValueError):
            pieces |= _pieces(base64.b64decode(secret, validate=True).decode())
    return [
        f"a secret is in {place}" for place, text in places.items() if any(piece in text for piece in pieces)
    ]


def _pieces(secret: str) -> set[str]:
    """Beginning, middle and end: a log that shows a part is no better than one that shows all."""
    last = len(secret) - _PIECE
    return {secret[start : start + _PIECE] for start in (0, last // 2, last)} if last > 0 else {secret}
