"""`supaqueue demo --cutover`: what is asked for, checked; and what came of it, as tables or JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from supaqueue.cli.demo.cutover.injection import checked_kind
from supaqueue.cli.demo.cutover.led import SHARES
from supaqueue.cli.demo.cutover.legacy import check_kind
from supaqueue.cli.demo.cutover.printed import print_played
from supaqueue.cli.demo.cutover.run import Asked, Played, play
from supaqueue.cli.demo.files import input_files
from supaqueue.errors import InvalidInput


def demonstrate(
    input_folder: Path | None,
    folder: Path,
    legacy: str,
    *,
    by_hand: bool,
    inject: str | None,
    inject_at: int | None,
    as_json: bool,
    keep: bool,
) -> int:
    """Runs the cutover in a folder, prints what came of it, and returns the exit code.

    Raises:
        ConfigurationError: there is no such legacy queue or fault, or packages are missing.
        InvalidInput: there is no input, or options contradict each other.
    """
    asked = asked_for(legacy, by_hand=by_hand, inject=inject, inject_at=inject_at)
    files = input_files(input_folder)
    played = play(files, folder, asked, _Progress().show, keep=keep)
    if as_json:
        print(json.dumps(as_plain(played), allow_nan=False))
    else:
        print_played(played)
    return 0 if played.good else 1


def asked_for(legacy: str, *, by_hand: bool, inject: str | None, inject_at: int | None) -> Asked:
    """Return which cutover is meant.

    Raises:
        ConfigurationError: there is no such legacy queue or fault, or packages are missing.
        InvalidInput: options contradict each other.
    """
    check_kind(legacy)
    if inject is None:
        if inject_at is not None:
            raise InvalidInput(
                "says when --inject breaks something: name a fault as well", field="--inject-at"
            )
        return Asked(legacy, by_hand=by_hand)
    kind = checked_kind(inject)
    if by_hand:
        raise InvalidInput(
            "shows what the watch does, and by hand there is none: leave out one of them",
            field="--inject, --by-hand",
        )
    if inject_at is not None and inject_at not in SHARES:
        shares = ", ".join(map(str, SHARES))
        raise InvalidInput(
            f"must be one of the shares that the watch stands at: {shares}", field="--inject-at"
        )
    return Asked(legacy, inject=kind, inject_at=inject_at or min(SHARES))


def as_plain(played: Played) -> dict[str, Any]:
    """Return all figures as JSON has them: the summary's by name, the rest beside them."""
    plain = asdict(played)
    return {**plain.pop("summary"), **plain, "good": played.good}


class _Progress:
    """Lines on standard error, each with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {text}", markup=False)
