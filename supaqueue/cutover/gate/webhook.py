"""A signed webhook: who knows the secret can tell that a notice is ours, and of when it is."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from supaqueue.errors import ConfigurationError
from supaqueue.settings import DOTENV, read_variables

URL = "SUPAQUEUE_WATCH_WEBHOOK_URL"
SECRET = "SUPAQUEUE_WATCH_WEBHOOK_SECRET"  # noqa: S105
TIMEOUT_SECONDS = 10.0
LEAST_SECRET = 16


class Webhook:
    """Posts notices to a URL. Neither that nor the secret is ever in an error's text.

    Args:
        url: http or https.
        secret: at least 16 characters.

    Raises:
        ConfigurationError: one of them is malformed.
    """

    def __init__(self, url: str, secret: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigurationError(f"{URL} must be an http or https address")
        if len(secret) < LEAST_SECRET or not secret.isascii():
            raise ConfigurationError(
                f"{SECRET} must be at least {LEAST_SECRET} characters of ASCII: owners verify notices by it"
            )
        self._url, self._secret = url, secret
        self._client = httpx.Client(timeout=timeout_seconds, follow_redirects=False)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> Self | None:
        """Return the one that the environment names; None if it names none.

        Raises:
            ConfigurationError: it is malformed, or has no secret.
        """
        found = read_variables((URL, SECRET), environ, dotenv)
        return cls(found[URL], found.get(SECRET, "")) if found.get(URL) else None

    def send(self, content: Mapping[str, Any], *, now: float) -> str | None:
        """Post a notice; returns why it did not arrive, None if it did.

        Args:
            now: seconds since 1970, for the signature.
        """
        body = json.dumps(content, sort_keys=True).encode()
        timestamp = str(int(now))
        headers = {
            "Content-Type": "application/json",
            "Supaqueue-Timestamp": timestamp,
            "Supaqueue-Signature": signature(self._secret, timestamp, body),
        }
        try:
            status = self._client.post(self._url, content=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__  # its text may quote the URL
        return None if 200 <= status < 300 else f"HTTP {status}"

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what signs a body: `v1=`, then HMAC-SHA256 over timestamp, full stop and body, in hex."""
    signed = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={signed.hexdigest()}"
