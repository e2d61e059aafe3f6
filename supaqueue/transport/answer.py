"""Reading what a server said, without ever repeating what may quote a payload."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

_CODE = re.compile(r"[0-9A-Z]{5}|PGRST\w{1,6}")

NO_SQLSTATE = ""
"""The code that PostgREST 12 gives, with status 400, where its connection ended within the statement."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What PostgREST says of an error: `code` is an SQLSTATE or its own, None if something else answered.

    `message` and `details` may quote a payload, unless the function that raised them is ours.
    """

    code: str | None
    message: str
    details: str
    hint: str


def read_error(response: httpx.Response) -> ErrorBody:
    """Return the error that a response describes."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return ErrorBody(None, "", "", "")
    code = body.get("code")
    return ErrorBody(
        code if isinstance(code, str) and (code == NO_SQLSTATE or _CODE.fullmatch(code)) else None,
        *(str(body.get(name) or "") for name in ("message", "details", "hint")),
    )


def is_html(response: httpx.Response) -> bool:
    """Whether the answer is a web page."""
    return "html" in response.headers.get("Content-Type", "").lower()


def retry_after_seconds(response: httpx.Response) -> float:
    """Return how long the server asks to wait, 0 if it does not say; a date counts by the server's clock."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    until, now = _date(asked), _date(response.headers.get("Date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else 0.0


def role_of(token: str) -> str | None:
    """Return the role that a JWT names, or None if it is none; the signature is not looked at."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        role = claims["role"]
    except (ValueError, LookupError, TypeError):
        return None
    return role if isinstance(role, str) and role.isprintable() and len(role) <= 63 else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
