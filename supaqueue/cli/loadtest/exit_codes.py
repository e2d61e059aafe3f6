"""Exit codes. 0: the objective was met; 1: missed; 2: too little is known; 3: it could not run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperCommand

from supaqueue.cli.loadtest.verdict import Answer
from supaqueue.errors import SupaqueueError

CODES: dict[Answer, int] = {"met": 0, "missed": 1, "inconclusive": 2}
COULD_NOT_RUN = 3


class CouldNotRun(TyperCommand):
    """Ends with 3 whatever kept it from an answer, a typing error too: 1 and 2 are answers here."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _as_could_not_run():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _as_could_not_run():
            return super().invoke(ctx)


@contextmanager
def _as_could_not_run() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except (SupaqueueError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"supaqueue: {error}", markup=False, highlight=False)
        sys.exit(COULD_NOT_RUN)
    except Exception as error:
        # What the command line refuses, in whichever library of the day that class is.
        if hasattr(error, "exit_code"):
            error.exit_code = COULD_NOT_RUN
        raise
