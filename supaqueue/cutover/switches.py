"""The three switches of a cutover that the environment or a `.env` file holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Self

from supaqueue.errors import ConfigurationError
from supaqueue.settings import DOTENV, read_variables

ENABLED = "SUPABASE_QUEUE_ENABLED"
PERCENT = "SUPABASE_QUEUE_ROLLOUT_PERCENT"
DUAL_WRITE = "SUPABASE_QUEUE_DUAL_WRITE"

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What the environment says of the cutover. None: the variable is not set, and takes no part.

    Attributes:
        enabled: SUPABASE_QUEUE_ENABLED. True is a permission and no order: the flag can still refuse.
        percent: SUPABASE_QUEUE_ROLLOUT_PERCENT, 0 to 100 in steps of 0.01: the most that Supabase gets.
        dual_write: SUPABASE_QUEUE_DUAL_WRITE: whether the system that does not own a job gets a copy.

    Raises:
        ConfigurationError: out of range; or a share of the jobs is to go to Supabase without copies, which no
            stage does.
    """

    enabled: bool | None = None
    percent: Decimal | None = None
    dual_write: bool | None = None

    def __post_init__(self) -> None:
        _check_percent(self.percent)
        is_share = self.enabled is not False and self.percent is not None and 0 < self.percent < 100
        if is_share and self.dual_write is False:
            raise ConfigurationError(
                f"{PERCENT} gives Supabase a share of the jobs while {DUAL_WRITE} is false: while two queues"
                f" own jobs each must get copies; set {DUAL_WRITE}=true, or {ENABLED}=false"
            )

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> Self:
        """Return the switches; the environment wins over the `.env` file.

        True is written `true` or `1`, false `false` or `0`, in any case; nothing else counts, `yes` and `on`
        neither. An empty text counts as not set.

        Args:
            environ: by default the process's environment.
            dotenv: the file, which need not exist; None reads none.

        Raises:
            ConfigurationError: malformed or out of range; the message names the variable.
        """
        found = read_variables((ENABLED, PERCENT, DUAL_WRITE), environ, dotenv)
        return cls(
            enabled=_truth(found, ENABLED), percent=_percent(found), dual_write=_truth(found, DUAL_WRITE)
        )

    @property
    def highest_percent(self) -> Decimal:
        """The most that the environment lets Supabase have."""
        if self.enabled is False:
            return Decimal(0)
        return Decimal(100) if self.percent is None else self.percent


def _truth(found: Mapping[str, str], variable: str) -> bool | None:
    text = found.get(variable)
    if text is None:
        return None
    if text.lower() not in _TRUTHS:
        raise ConfigurationError(f"{variable} must be true, 1, false or 0")
    return _TRUTHS[text.lower()]


def _percent(found: Mapping[str, str]) -> Decimal | None:
    text = found.get(PERCENT)
    if text is None:
        return None
    if not _PERCENT.fullmatch(text):
        raise ConfigurationError(
            f"{PERCENT} must be a number from 0 to 100 with at most two decimals, as 12.5; without a % sign"
        )
    return Decimal(text)


def _check_percent(percent: Decimal | None) -> None:
    if percent is None:
        return
    if not isinstance(percent, Decimal):
        raise ConfigurationError(f"{PERCENT} must be a Decimal, not {type(percent).__name__}")
    if not percent.is_finite() or not 0 <= percent <= 100 or percent * 100 % 1:
        raise ConfigurationError(f"{PERCENT} must be from 0 to 100, in steps of 0.01")
