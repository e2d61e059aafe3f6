"""Exit code 3, for commands whose 1 and 2 are answers: something kept them from one, a typing error too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from supaqueue.errors import SupaqueueError

COULD_NOT_RUN = 3


@contextmanager
def _as_could_not_run() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except (SupaqueueError, OSError) as error:
        console = Console(stderr=True, soft_wrap=True)
        console.print(f"supaqueue: {error}", markup=False, highlight=False)
        sys.exit(COULD_NOT_RUN)
    except Exception as error:
        # What the command line refuses, in whichever library of the day that class is.
        if hasattr(error, "exit_code"):
            error.exit_code = COULD_NOT_RUN
        raise


class _WithAnswers:
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _as_could_not_run():
            return super().make_context(*args, **kwargs)  # type: ignore[misc]

    def invoke(self, ctx: Any) -> Any:
        with _as_could_not_run():
            return super().invoke(ctx)  # type: ignore[misc]


class CommandWithAnswers(_WithAnswers, TyperCommand):
    """A command whose exit codes below 3 are answers."""


class GroupWithAnswers(_WithAnswers, TyperGroup):
    """Commands all of whose exit codes below 3 are answers."""
