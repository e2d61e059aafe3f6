"""`supaqueue parity ...` as a user types it, in this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

import pytest

from supaqueue.cli import main
from tests.cutover.commands import Said, Terminal


@dataclass
class Parity:
    """Types commands, in the environment of a `Terminal`."""

    terminal: Terminal

    def __call__(self, *arguments: str) -> Said:
        """Type `supaqueue parity` with arguments."""
        terminal = self.terminal
        terminal.capture.readouterr()
        terminal.monkeypatch.setattr("sys.argv", ["supaqueue", "parity", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        captured = terminal.capture.readouterr()
        code = left.value.code
        return Said(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    def without_pauses(self) -> Self:
        """From now on nothing waits between two looks."""
        still = SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic)
        self.terminal.monkeypatch.setattr("supaqueue.cutover.parity.looks.time", still)
        return self

    def answers_at_the_terminal(self, text: str) -> None:
        """From now on somebody sits there and answers this to each question."""
        asked: Any = lambda question, **options: text == "y"  # noqa: E731
        self.terminal.monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        self.terminal.monkeypatch.setattr("typer.confirm", asked)
