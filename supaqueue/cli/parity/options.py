"""What the commands of `parity` share: their options, and how they show what they found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from supaqueue.cli.durations import seconds_of
from supaqueue.cli.parity.exit_codes import CODES
from supaqueue.cli.parity.page_file import PageFile
from supaqueue.cli.parity.table import print_report
from supaqueue.cutover.parity.check import Checked
from supaqueue.cutover.parity.classes import Comparator
from supaqueue.cutover.parity.page import page_of
from supaqueue.cutover.parity.report import evidence, written
from supaqueue.errors import InvalidInput
from supaqueue.worker.attribute import import_attribute

Rules = Annotated[Path | None, typer.Option(help="A TOML file that says what is expected to differ.")]
Bound = Annotated[float, typer.Option(help="The rate of differences to be ruled out, in percent.")]
Messages = Annotated[bool, typer.Option("--messages", help="Compare errors by message as well as by class.")]
Compare = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        metavar="TYPE=MODULE:FUNCTION",
        help="Who says whether two results of a type agree: is given both, returns a bool. May be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write the report as a page to look at.")
]


def page_file(html: Path | None) -> AbstractContextManager[PageFile | None]:
    """Return what takes the page; made before anything is compared, so that it is known to take it.

    Raises:
        InvalidInput: no file can be made there.
    """
    return PageFile(html) if html is not None else nullcontext()


def tell(checked: Checked, *, as_json: bool, page: PageFile | None = None) -> typer.Exit:
    """Print what was found, and write its page; returns what ends the command with its exit code.

    Raises:
        OSError: the page could not be written; the report was printed.
    """
    if as_json:
        sys.stdout.buffer.write(written(checked.report))
        sys.stdout.buffer.flush()
    else:
        print_report(checked.report, checked.verdict, evidence(checked.report))
    if page is not None:
        page.write(page_of(checked.report))
        typer.echo(f"page: {page.path}", err=True)
    return typer.Exit(CODES[checked.verdict.answer])


def warn_of_before(began: datetime) -> None:
    """Say on standard error that what is missing may be of before dual write."""
    print(
        "supaqueue: jobs from before dual write are in the old queue alone, and count as missing_in_supabase:"
        f" ask with --since {began.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        file=sys.stderr,
    )


def comparators(given: Sequence[str]) -> dict[str, Comparator]:
    """Import the functions that `--compare` names, by task type.

    Raises:
        InvalidInput: one is no function, or not given as TYPE=MODULE:FUNCTION.
        ConfigurationError: its module cannot be imported.
    """
    found: dict[str, Comparator] = {}
    for text in given:
        task_type, _, name = text.partition("=")
        if not (task_type and name):
            raise InvalidInput(f"write TYPE=MODULE:FUNCTION, not {text!r}", field="--compare")
        function = import_attribute(name, kind="function", example="billing:same_invoice")
        if not callable(function):
            raise InvalidInput(f"there is no function {name}", field="--compare")
        found[task_type] = function
    return found


def rate(percent: float) -> float:
    """Return the rate that a percentage is.

    Raises:
        InvalidInput: it is none between 0 and 100.
    """
    if not 0 < percent < 100:
        raise InvalidInput("must be a percentage between 0 and 100", field="--bound")
    return percent / 100


def seconds_given(text: str, option: str) -> float:
    """Return the seconds of a duration.

    Raises:
        InvalidInput: it is none, naming the option.
    """
    try:
        return seconds_of(text)
    except typer.BadParameter as error:
        raise InvalidInput(str(error), field=option) from None
