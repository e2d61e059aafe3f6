"""What a function raises instead of an answer: the error that PostgREST would pass on."""

from __future__ import annotations

INVALID_TEXT = "22P02"
"""Postgres' own: text that is no value of the argument's type."""
UNSTORABLE_TEXT = "22P05"
"""Postgres' own: the character U+0000."""


class Refused(Exception):
    """A call that changed nothing; `message`, `detail` and `hint` name arguments, never values."""

    def __init__(self, sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint

    def body(self) -> dict[str, str]:
        """Return it as PostgREST writes it."""
        return {
            "code": self.sqlstate,
            "message": self.message,
            "details": self.detail,
            "hint": self.hint,
        }


def invalid(message: str) -> Refused:
    """An argument that a function does not take: SQ003."""
    return Refused("SQ003", message)
