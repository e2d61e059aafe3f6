"""The secrets of one stack: made once, kept in its folder, readable by their owner only."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import jwt

from supaqueue.devstack.files import write_private
from supaqueue.errors import DevStackError

_TEN_YEARS = 10 * 365 * 24 * 3600


@dataclass(frozen=True)
class Keys:
    """Passwords of the database, the secret that signs tokens, and the newer kind of API keys.

    `stack_id` is no secret: it names what the stack has to keep outside its folder.
    `issued_at` (Unix seconds) is in every token, so that the same role always gets the same one.
    """

    stack_id: str
    jwt_secret: str = field(repr=False)
    publishable_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    admin_password: str = field(repr=False)
    postgres_password: str = field(repr=False)
    authenticator_password: str = field(repr=False)
    issued_at: int

    def token(self, role: str) -> str:
        """A JWT (HS256, valid for ten years) that lets its bearer act as `role`."""
        claims = {
            "iss": "supabase",
            "ref": "local",
            "role": role,
            "iat": self.issued_at,
            "exp": self.issued_at + _TEN_YEARS,
        }
        return jwt.encode(claims, self.jwt_secret, algorithm="HS256")


def create_keys() -> Keys:
    """New random keys; passwords are hexadecimal, so that they need no quoting in SQL or URLs."""
    return Keys(
        stack_id=secrets.token_hex(8),
        jwt_secret=secrets.token_hex(32),
        publishable_key=f"sb_publishable_{secrets.token_hex(16)}",
        secret_key=f"sb_secret_{secrets.token_hex(16)}",
        admin_password=secrets.token_hex(16),
        postgres_password=secrets.token_hex(16),
        authenticator_password=secrets.token_hex(16),
        issued_at=int(time.time()),
    )


def load_keys(path: Path) -> Keys | None:
    """The keys in the file at `path`, or None if there is no such file.

    Raises:
        DevStackError: it cannot be read, or is not what `save_keys` wrote.
    """
    try:
        return Keys(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise DevStackError(
            f"{path} belongs to another user: run this as the one who made the stack"
        ) from None
    except (ValueError, TypeError):
        raise DevStackError(f"{path} is damaged: remove its folder to start anew, the data with it") from None


def save_keys(path: Path, keys: Keys) -> None:
    """Write `keys` to `path`, all or nothing."""
    write_private(path, json.dumps(asdict(keys), indent=2))
