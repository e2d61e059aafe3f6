"""`supaqueue rollout drain-proof`: whether one of the two systems may be switched off."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.rollout.options import AsJson, Legacy, legacy_queue, print_json, spool_here, supabase
from supaqueue.cutover.drain import DrainProof, prove_drained
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.switches import Switches
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport

BROKER_COUNTS = ("scheduled", "retrying", "leased", "unstamped")
Waived = Annotated[
    list[str] | None,
    typer.Option(
        "--waive",
        metavar="COUNT",
        help="What the broker cannot count and you looked at: scheduled, retrying, leased or unstamped.",
    ),
]


def drain_proof(
    side: Annotated[str, typer.Option(help="Which is to be switched off: legacy or supabase.")] = "legacy",
    waive: Waived = None,
    legacy: Legacy = None,
    as_json: AsJson = False,
) -> None:
    """Count what both systems hold, and say whether one has nothing left and gets nothing new.

    Exit code 0 only if it is drained. What its broker cannot count makes that unknown, unless it is waived.
    """
    with supabase() as transport:
        proof = _prove(transport, legacy, waive or (), _owner(side))
    if as_json:
        print_json(asdict(proof) | {"verdict": proof.verdict})
    else:
        _print(proof)
    raise typer.Exit(0 if proof.verdict == "drained" else 1)


def check_drained(transport: Transport, legacy: str | None, waived: Collection[str]) -> None:
    """Refuse unless legacy is drained.

    Raises:
        InvalidInput: it is not, or that is unknown; the message says what is left.
    """
    proof = _prove(transport, legacy, waived, "legacy")
    if proof.verdict != "drained":
        found = "; ".join(proof.left + proof.uncounted)
        raise InvalidInput(
            f"legacy is not proven to be drained: {found}. See `supaqueue rollout drain-proof`; nothing was"
            " changed",
            field="--stage",
        )


def _prove(transport: Transport, legacy: str | None, waived: Collection[str], side: Owner) -> DrainProof:
    unknown = set(waived) - set(BROKER_COUNTS)
    if unknown:
        raise InvalidInput(f"must be one of {', '.join(BROKER_COUNTS)}", field="--waive")
    with legacy_queue(legacy) as queue:
        return prove_drained(
            transport, queue, spool_here(), Switches.load(), side=side, waived=frozenset(waived)
        )


def _owner(side: str) -> Owner:
    if side == "legacy":
        return "legacy"
    if side == "supabase":
        return "supabase"
    raise InvalidInput("must be legacy or supabase", field="--side")


def _print(proof: DrainProof) -> None:
    console = Console(soft_wrap=True)
    for title, counts in (("legacy", asdict(proof.legacy)), ("supabase", asdict(proof.supabase))):
        table = Table(title, "count")
        for name, count in counts.items():
            table.add_row(name.replace("_", " "), _cell(name, count))
        console.print(table)
    if proof.spooled is not None:
        console.print(f"spool of this host: {proof.spooled:,} records")
    for line in proof.left:
        console.print(f"[yellow]left: {escape(line)}[/]")
    for line in proof.uncounted:
        console.print(f"[yellow]unknown: {escape(line)}[/]")
    console.print(f"{proof.side}: {proof.verdict.replace('_', ' ')}")


def _cell(name: str, count: object) -> str:
    if count is None and name == "last_unstamped_at":
        return "never"
    return "unknown" if _is_unknown(name, count) else str(count or 0)


def _is_unknown(name: str, count: object) -> bool:
    return count is None and name in BROKER_COUNTS
