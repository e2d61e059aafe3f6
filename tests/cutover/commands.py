"""`supaqueue rollout ...` as a user types it, in this process, on one test's two systems."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from supaqueue.cli import main
from supaqueue.cli.rollout import options
from supaqueue.devstack import ports
from supaqueue.transport import RestTransport


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The JSON that it printed; it must have gone well."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)


@dataclass
class Terminal:
    """Types commands."""

    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Said:
        """Type `supaqueue rollout` with arguments."""
        self.capture.readouterr()
        self.monkeypatch.setattr("sys.argv", ["supaqueue", "rollout", *arguments])
        code = _exit_code()
        captured = self.capture.readouterr()
        return Said(code, captured.out, captured.err)

    def lose_supabase(self) -> None:
        """From now on nothing answers at Supabase's address, and commands soon stop trying."""
        self.monkeypatch.setenv("SUPABASE_URL", f"http://127.0.0.1:{ports.choose(None)}")
        self.monkeypatch.setattr(options, "RestTransport", partial(RestTransport, budget_seconds=1.0))

    def json(self, *arguments: str) -> Any:
        """Type a command with --json, which must go well, and return what it printed."""
        return self(*arguments, "--json").answer

    def refused(self, *arguments: str) -> str:
        """Type a command that must be refused in one sentence, and return that."""
        said = self(*arguments)
        assert said.code in (1, 2), said
        assert said.out == ""
        assert "Traceback" not in said.err
        return said.err


def _exit_code() -> int:
    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    return 0
