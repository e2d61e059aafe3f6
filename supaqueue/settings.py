"""Where the queue is and who we are there: from arguments, the environment, or a `.env` file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypedDict, Unpack
from urllib.parse import SplitResult, urlsplit

from supaqueue.errors import ConfigurationError

DOTENV = Path(".env")
MAX_JSON_BYTES = 1_048_576

_VARIABLES = {
    "url": "SUPABASE_URL",
    "service_role_key": "SUPABASE_SERVICE_ROLE_KEY",
    "anon_key": "SUPABASE_ANON_KEY",
    "token": "SUPAQUEUE_TOKEN",
    "schema": "SUPAQUEUE_SCHEMA",
    "database_url": "SUPABASE_DB_URL",
    "max_json_bytes": "SUPAQUEUE_MAX_JSON_BYTES",
}
_PRINTABLE = re.compile(r"[!-~]+")
_SCHEMA = re.compile(r"[^\x00-\x20\x7f]{1,63}")


class Overrides(TypedDict, total=False):
    """Arguments that win over the environment; None counts as not given."""

    url: str | None
    service_role_key: str | None
    anon_key: str | None
    token: str | None
    schema: str | None
    database_url: str | None
    max_json_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is needed to make calls. Its text never shows a key.

    Calls are made with `token` if there is one, the anon key beside it; else with the service role key.

    Attributes:
        url: as `https://<ref>.supabase.co`.
        service_role_key: may do everything.
        anon_key: may do nothing by itself; opens the gateway for `token`.
        token: a JWT of a narrower role, such as supaqueue_worker or supaqueue_producer.
        schema: where the queue is installed.
        database_url: a direct connection, if there is one.
        max_json_bytes: the most that one payload or result may take.

    Raises:
        ConfigurationError: something is missing or malformed; the message names the variable.
    """

    url: str
    service_role_key: str | None = field(default=None, repr=False)
    anon_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    schema: str = "public"
    database_url: str | None = field(default=None, repr=False)
    max_json_bytes: int = MAX_JSON_BYTES

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _normal_url(self.url))
        for name in ("service_role_key", "anon_key", "token"):
            _check_key(getattr(self, name), _VARIABLES[name])
        if self.token is None and self.service_role_key is None:
            raise ConfigurationError(_NO_KEY)
        if self.token is not None and self.anon_key is None:
            raise ConfigurationError(_TOKEN_WITHOUT_KEY)
        check_schema(self.schema)
        if self.max_json_bytes < 1:
            raise ConfigurationError("SUPAQUEUE_MAX_JSON_BYTES must be at least 1")

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        dotenv: Path | None = DOTENV,
        **overrides: Unpack[Overrides],
    ) -> Self:
        """Return the settings; an argument wins over the environment, and that over the `.env` file.

        Args:
            environ: by default the process's environment.
            dotenv: the file, which need not exist; None reads none.

        Raises:
            ConfigurationError: something is missing or malformed; the message names the variable.
        """
        found = _found(environ, dotenv, overrides)
        if "url" not in found:
            raise ConfigurationError(
                "SUPABASE_URL is not set: put the project's URL, as https://<ref>.supabase.co, into the"
                " environment or .env, or pass url="
            )
        return cls(**found)  # type: ignore[arg-type]  # each value has been read as its field's type

    @property
    def api_key(self) -> str:
        """What opens the gateway."""
        key = self.service_role_key if self.token is None else self.anon_key
        assert key is not None
        return key

    @property
    def identity(self) -> str:
        """The variable that says who we are: for error texts."""
        return "SUPABASE_SERVICE_ROLE_KEY" if self.token is None else "SUPAQUEUE_TOKEN"


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """What is needed for a direct connection. Its text never shows the password.

    Attributes:
        url: the connection string, as `postgresql://user:password@host:5432/database`.
        schema: where the queue is installed.
        max_json_bytes: the most that one payload or result may take.
    """

    url: str = field(repr=False)
    schema: str = "public"
    max_json_bytes: int = MAX_JSON_BYTES

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        dotenv: Path | None = DOTENV,
        *,
        url: str | None = None,
        schema: str | None = None,
    ) -> Self:
        """Return the settings, looked for as `Settings.load` does.

        Raises:
            ConfigurationError: SUPABASE_DB_URL is not set.
        """
        found = _found(environ, dotenv, {"database_url": url, "schema": schema})
        if "database_url" not in found:
            raise ConfigurationError(
                "SUPABASE_DB_URL is not set: put the connection string (dashboard, Connect) into the"
                " environment or .env"
            )
        return cls(
            str(found["database_url"]),
            check_schema(str(found.get("schema", "public"))),
            int(found.get("max_json_bytes", MAX_JSON_BYTES)),
        )


def load_schema(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV, *, schema: str | None = None
) -> str:
    """Return where the tables are, looked for as `Settings.load` does: SUPAQUEUE_SCHEMA, else `public`.

    Raises:
        ConfigurationError: it cannot be the name of a schema.
    """
    return check_schema(str(_found(environ, dotenv, {"schema": schema}).get("schema", "public")))


def read_variables(
    names: Iterable[str], environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV
) -> dict[str, str]:
    """Return those of the variables that are set, looked for as `Settings.load` does; empty counts as unset.

    Raises:
        ConfigurationError: the `.env` file cannot be read.
    """
    environ = os.environ if environ is None else environ
    written = _read_dotenv(dotenv)
    found = {name: environ.get(name, "").strip() or (written.get(name) or "").strip() for name in names}
    return {name: text for name, text in found.items() if text}


def check_schema(name: str) -> str:
    """Return `name` if it can be sent as the name of a schema.

    Raises:
        ConfigurationError: it cannot.
    """
    if not _SCHEMA.fullmatch(name) or not name.isascii():
        raise ConfigurationError(
            "SUPAQUEUE_SCHEMA must be 1 to 63 printable ASCII characters, without spaces"
        )
    return name


def _found(
    environ: Mapping[str, str] | None, dotenv: Path | None, overrides: Mapping[str, object]
) -> dict[str, str | int]:
    unknown = overrides.keys() - _VARIABLES.keys()
    if unknown:
        raise ConfigurationError(f"there is no setting called {', '.join(sorted(unknown))}")
    environ = os.environ if environ is None else environ
    written = _read_dotenv(dotenv)
    found: dict[str, str | int] = {}
    for name, variable in _VARIABLES.items():
        value = overrides.get(name)
        if value is None:
            value = environ.get(variable, "").strip() or (written.get(variable) or "").strip()
        if value != "":
            found[name] = _whole_number(value, variable) if name == "max_json_bytes" else str(value)
    return found


def _read_dotenv(path: Path | None) -> Mapping[str, str | None]:
    if path is None or not path.is_file():
        return {}
    from dotenv import dotenv_values  # only where there is such a file

    try:
        return dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from None


def _whole_number(value: object, variable: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ConfigurationError(f"{variable} must be a whole number") from None


def _check_key(key: str | None, variable: str) -> None:
    if key is not None and not _PRINTABLE.fullmatch(key):
        raise ConfigurationError(f"{variable} is no key: it is empty or has spaces or line breaks in it")


def _normal_url(url: str) -> str:
    parts = _split(url.strip())
    if parts.scheme in ("postgres", "postgresql"):
        raise ConfigurationError(
            "SUPABASE_URL holds a database's connection string: that belongs into SUPABASE_DB_URL;"
            " SUPABASE_URL is like https://<ref>.supabase.co"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"SUPABASE_URL must begin with https:// or http://{_shown(url)}")
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[^!-~]", parts.netloc):
        raise ConfigurationError(f"SUPABASE_URL must be like https://<ref>.supabase.co{_shown(url)}")
    if parts.path.rstrip("/") not in ("", "/rest/v1"):
        raise ConfigurationError(
            f"SUPABASE_URL has a path that is not of its API; it must be like https://<ref>.supabase.co{_shown(url)}"
        )
    return f"{parts.scheme}://{parts.netloc}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is no number
    except ValueError:
        raise ConfigurationError(
            "SUPABASE_URL is no URL; it must be like https://<ref>.supabase.co"
        ) from None
    return parts


def _shown(url: str) -> str:
    """The URL as the end of an error's text, unless it may hold a password or a key."""
    return "" if "@" in url or "?" in url or "#" in url or len(url) > 200 else f"; it is {url!r}"


_NO_KEY = (
    "no key is set: set SUPABASE_SERVICE_ROLE_KEY (dashboard, Settings, API keys), or SUPABASE_ANON_KEY"
    " together with SUPAQUEUE_TOKEN"
)
_TOKEN_WITHOUT_KEY = "SUPAQUEUE_TOKEN is set and SUPABASE_ANON_KEY is not: the gateway asks for both"  # noqa: S105
