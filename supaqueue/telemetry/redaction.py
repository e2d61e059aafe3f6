"""Keys and passwords out of any text, by their shape.

The last guard, not the first: our own code never puts a key into a text. Handlers and libraries may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set

REDACTED = "[redacted]"

_QUOTE = r"""\\*["']?"""  # a text quoted within a text has a backslash or more before its quotes
_ASSIGNED = rf"""{_QUOTE}\s*[:=,]\s*(?:b(?=["']))?{_QUOTE}"""
_SCHEME = r"(?:(?:bearer|basic|digest|token)\s+)?"
_NAMED = r"(?:passw(?:or)?d|secret|service[-_]?role[-_]?key|anon[-_]?key)"
_SHAPES = (  # each bounded or without ambiguity: a text of any size is read in linear time
    re.compile(r"()eyJ[\w-]{8,}(?:\.[\w-]*)*()"),  # a JSON Web Token, also a truncated one
    re.compile(r"()sb_(?:secret|publishable)_[\w-]+()"),
    re.compile(rf"""(api[-_]?key{_ASSIGNED}|authorization{_ASSIGNED}{_SCHEME})[^\s"'\\,;&)}}\]]+()""", re.I),
    re.compile(r"(postgres(?:ql)?(?:\+\w+)?://[^\s:/@]{0,200}:)\S{0,500}(@)", re.I),  # may hold / : and @
    re.compile(r"(://[^\s:/@]{0,200}:)[^\s/@]{0,500}(@)"),
    re.compile(rf"""({_NAMED}{_QUOTE}\s*[:=]\s*)(?:'(?:[^'\\]|\\+[^\\])*'|"[^"]*"|[^\s&;,]+)()""", re.I),
)
_SECRET_FIELD = re.compile(r"api[-_]?key|authorization|passw(?:or)?d|secret", re.I)


def redact(text: str) -> str:
    """Return `text` with every key, token and password in it replaced by `[redacted]`."""
    for shape in _SHAPES:
        text = shape.sub(rf"\1{REDACTED}\2", text)
    return text


def redact_value(value: object) -> object:
    """Return a copy of `value` that JSON can hold, redacted throughout, also by the names of its keys."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _redact_field(str(key), item) for key, item in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview):
        return [redact_value(item) for item in value]
    return redact(str(value))


def _redact_field(key: str, value: object) -> object:
    return REDACTED if _SECRET_FIELD.search(key) else redact_value(value)
