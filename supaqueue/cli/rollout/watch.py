"""`supaqueue rollout watch`: takes a rollout back when it must, leads it on if told to, tells its owners."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from supaqueue.cli.durations import seconds_of
from supaqueue.cli.rollout.judging import GateFile, Judged, ParityFile, gate_on, read_judged, this_process
from supaqueue.cli.rollout.options import AsJson, Legacy, print_json, supabase
from supaqueue.contract import ReadFeatureFlags
from supaqueue.errors import InvalidInput, QueueUnavailable, SupaqueueError
from supaqueue.telemetry.hook import Telemetry, configured_hooks
from supaqueue.telemetry.logs import configure_logging
from supaqueue.telemetry.redaction import redact

if TYPE_CHECKING:
    from supaqueue.cutover.gate.looked import Looked
    from supaqueue.cutover.gate.webhook import Webhook

LEAST_LEASE_SECONDS = 60.0
INTERVALS_HELD = 3.0
LONGEST_INTERVAL = 600.0

Interval = Annotated[str, typer.Option(metavar="DURATION", help="How long to wait after each look, like 1m.")]


def watch(
    promote: Annotated[
        bool, typer.Option("--promote", help="Lead on to the next share when a step has passed.")
    ] = False,
    interval: Interval = "1m",
    once: Annotated[bool, typer.Option("--once", help="Look once, and leave: for cron.")] = False,
    rules: GateFile = None,
    parity_rules: ParityFile = None,
    legacy: Legacy = None,
    log_format: Annotated[str, typer.Option(help="json or text.")] = "text",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    as_json: AsJson = False,
) -> None:
    """Watch all flags until SIGTERM or SIGINT: a line for each look. Any number may; one of them looks.

    Owners are told of every change of a flag by SUPAQUEUE_WATCH_WEBHOOK_URL, signed with
    SUPAQUEUE_WATCH_WEBHOOK_SECRET, and in Sentry and Datadog where those are configured; and when looks have
    failed for five minutes (`failing_looks_seconds` in --rules). With --once, exit code 3 says that the look
    failed.
    """
    seconds = seconds_of(interval)
    if not 0 < seconds <= LONGEST_INTERVAL:
        raise InvalidInput("must be longer than nothing, and 10 minutes at most", field="--interval")
    configure_logging(format=log_format, level=log_level)  # type: ignore[arg-type]
    judged = read_judged(rules, parity_rules, legacy)
    from supaqueue.cli.until_told import UntilTold
    from supaqueue.cutover.gate.failing_looks import FailingLooks
    from supaqueue.cutover.gate.watch import watch as watch_all
    from supaqueue.cutover.gate.webhook import Webhook

    webhook = Webhook.load()
    _check_address()
    telemetry = Telemetry(configured_hooks(os.environ))
    watching = _Watching(judged, webhook, telemetry, interval=seconds, promotes=promote)
    after_seconds = judged.rules.failing_looks_seconds
    failing = FailingLooks(telemetry, webhook, watch=watching.by, after_seconds=after_seconds)
    failed = False
    try:
        with UntilTold() as until:
            looks = watch_all(
                watching.look,
                until.wait,
                every_seconds=seconds,
                times=1 if once else None,
                telemetry=telemetry,
                failing=failing,
            )
            for looked in looks:
                failed = looked.problem is not None
                _say(looked, as_json)
    finally:
        watching.leave()
        telemetry.close()
        if webhook is not None:
            webhook.close()
    raise typer.Exit(3 if once and failed else 0)


class _Watching:
    """One process's looks; each opens both systems anew, so that no restart and no new address is missed.

    `by` is its name in the history.
    """

    def __init__(
        self,
        judged: Judged,
        webhook: Webhook | None,
        telemetry: Telemetry,
        *,
        interval: float,
        promotes: bool,
    ) -> None:
        self._judged = judged
        self._webhook = webhook
        self._telemetry = telemetry
        self._lease_seconds = max(LEAST_LEASE_SECONDS, INTERVALS_HELD * interval)
        self._promotes = promotes
        self.by = this_process("rollout watch")
        self._holder = f"{self.by} {uuid.uuid4().hex[:8]}"[-200:]

    def look(self) -> Looked:
        """Look once."""
        from supaqueue.cutover.gate.telling import Telling
        from supaqueue.cutover.gate.watch import Watch

        with supabase() as transport, gate_on(transport, self._judged, by=self.by) as gate:
            telling = Telling(transport, self._telemetry, self._webhook)
            return Watch(
                transport,
                gate,
                telling,
                holder=self._holder,
                lease_seconds=self._lease_seconds,
                promotes=self._promotes,
            ).look()

    def leave(self) -> None:
        """Let another watch take over at once, if Supabase answers; else when the lease has run out."""
        from supaqueue.contract import HoldLease
        from supaqueue.cutover.gate.watch import LEASE_NAME

        try:
            with supabase() as transport:
                transport.send(HoldLease(LEASE_NAME, self._holder, 0.0))
        except SupaqueueError as error:
            typer.echo(f"supaqueue: the lease was not given back ({type(error).__name__})", err=True)


def _check_address() -> None:
    """Say at once what is wrong with address, key or database; that nothing answers is waited out."""
    try:
        with supabase() as transport:
            transport.send(ReadFeatureFlags())
    except QueueUnavailable:
        pass


def _say(looked: Looked, as_json: bool) -> None:
    if as_json:
        print_json(_as_object(looked))
    else:
        print(f"{looked.at.astimezone():%Y-%m-%d %H:%M:%S} {redact(_line(looked))}", flush=True)


def _line(looked: Looked) -> str:
    if looked.holder is not None:
        return f"standing by: {looked.holder} looks"
    told = f"; told owners of {looked.told} changes" if looked.told else ""
    failed = []
    if looked.problem is not None:
        failed.append(f"the look failed: {looked.problem}")
    if looked.lets_go:
        failed.append("another watch may look now")
    lines = [
        f"{one.flag.task_type or 'overall'}: {one.answer}"
        + (f" ({one.action})" if one.action == "halt" else "")
        + (f": {one.because[0]}" if one.because else "")
        for one in looked.verdicts
    ]
    changes = [
        f"{one.flag_name} is at {one.rollout_percent.normalize():f} percent now" for one in looked.changed
    ]
    return "; ".join(failed + lines + changes) + told


def _as_object(looked: Looked) -> dict[str, object]:
    from supaqueue.cutover.gate.verdict import as_json

    return {
        "at": looked.at,
        "holder": looked.holder,
        "problem": redact(looked.problem) if looked.problem else None,
        "lets_go": looked.lets_go,
        "verdicts": [as_json(one) for one in looked.verdicts],
        "changed": [
            {"flag_name": one.flag_name, "version": one.version, "percent": float(one.rollout_percent)}
            for one in looked.changed
        ],
        "told": looked.told,
    }
