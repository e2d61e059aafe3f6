"""What `rollout gate` and `rollout watch` share: a gate on the two systems that are named here."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.first_failures import tells_first_failures
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy_source import legacy_name, open_legacy
from supaqueue.errors import ConfigurationError
from supaqueue.settings import Settings
from supaqueue.transport import Transport

if TYPE_CHECKING:
    from supaqueue.cutover.gate.compared_jobs import ComparedJobs
    from supaqueue.cutover.gate.evidence import Evidence
    from supaqueue.cutover.gate.gate_rules import GateRules
    from supaqueue.cutover.gate.look import Gate
    from supaqueue.cutover.parity.rules import Rule

GateFile = Annotated[
    Path | None, typer.Option("--rules", help="A TOML file of shares, holding times, bounds and objectives.")
]
ParityFile = Annotated[
    Path | None,
    typer.Option("--parity-rules", help="A TOML file that says what is expected to differ, as for parity."),
]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a gate goes by, read before it looks, so that a mistake in a file is told at once."""

    rules: GateRules
    parity_rules: tuple[Rule, ...]
    legacy: str | None


def read_judged(rules: Path | None, parity_rules: Path | None, legacy: str | None) -> Judged:
    """Read the files.

    Raises:
        InvalidInput: one of them cannot be read, or says something unknown.
        ConfigurationError: no legacy queue is named, or packages are missing.
    """
    try:
        from supaqueue.cutover.gate.gate_rules import GateRules, load_gate_rules
        from supaqueue.cutover.parity.rules import load_rules
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            "this command needs more packages: pip install 'supaqueue[cutover]'"
        ) from missing
    open_or_none(legacy_name(legacy))
    return Judged(
        load_gate_rules(rules) if rules else GateRules(),
        load_rules(parity_rules) if parity_rules else (),
        legacy_name(legacy),
    )


@contextmanager
def gate_on(transport: Transport, judged: Judged, *, by: str) -> Iterator[Gate]:
    """Open the legacy queue anew, whether it lives or not, and return a gate on both systems."""
    from supaqueue.cutover.gate.look import Gate
    from supaqueue.cutover.gate.probes import Probing

    legacy = open_or_none(judged.legacy)
    probing = Probing(transport, legacy, through_legacy=judged.rules.legacy_probes)

    def compare(since: datetime, until: datetime, task_types: Collection[str] | None) -> ComparedJobs:
        if legacy is None:
            raise LegacyUnavailable("the legacy queue cannot be opened", call="open")
        return compare_both(transport, legacy, judged.parity_rules, since, until, task_types)

    tells = legacy is not None and tells_first_failures(legacy.index)

    def read(since: datetime) -> Evidence:
        found = read_seen(transport, judged.rules, since, with_first_attempts=tells)
        seen = probing.look().within(found)
        return seen if legacy is not None else replace(seen, legacy_is_alive=False)

    try:
        yield Gate(transport, read, compare, judged.rules, by)
    finally:
        if legacy is not None:
            legacy.close()


def read_seen(
    transport: Transport, rules: GateRules, since: datetime, *, with_first_attempts: bool
) -> Evidence:
    """Have the database count what is due, and read what was seen since a time.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    from supaqueue.cutover.gate.close_cohorts import FIRST_SECONDS, close_cohorts
    from supaqueue.cutover.gate.read_evidence import read_evidence

    first = FIRST_SECONDS if rules.first_seconds is None else rules.first_seconds
    if rules.settle_seconds is None:
        close_cohorts(transport, since, first_seconds=first)
    else:
        settle = rules.settle_seconds
        close_cohorts(transport, since, first_seconds=first, settle_by_type={}, settle_seconds=settle)
    return read_evidence(transport, since, with_first_attempts=with_first_attempts)


def compare_both(
    transport: Transport,
    legacy: LegacyQueue,
    rules: tuple[Rule, ...],
    since: datetime,
    until: datetime,
    task_types: Collection[str] | None,
) -> ComparedJobs:
    """Compare the jobs of a time, as `supaqueue parity check` does.

    Raises:
        CallError: Supabase gave no usable answer.
        LegacyUnavailable: the legacy queue's index gave none.
    """
    from supaqueue.cutover.gate.compared_jobs import ComparedJobs, compared_jobs
    from supaqueue.cutover.parity.check import check
    from supaqueue.cutover.parity.question import Question

    if since >= until:
        return ComparedJobs(since, until, 0, 0)
    question = Question(
        since,
        until,
        task_types=None if task_types is None else frozenset(task_types),
        rules=rules,
        max_json_bytes=Settings.load().max_json_bytes,
    )
    return compared_jobs(check(transport, legacy, question), since, until)


def open_or_none(name: str | None) -> LegacyQueue | None:
    """Open the legacy queue; None if it gives no answer.

    Raises:
        ConfigurationError: none is named, or there is none under that name.
    """
    try:
        return open_legacy(name)
    except LegacyUnavailable:
        return None


def this_process(what: str) -> str:
    """Return who does something here, for the history."""
    return f"{what} ({socket.gethostname()[-150:]}:{os.getpid()})"
