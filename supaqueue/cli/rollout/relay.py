"""`supaqueue rollout relay`: tell each system what it was not told of the other's jobs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from supaqueue.cli.rollout.options import AsJson, Legacy, legacy_queue, print_json, supabase
from supaqueue.contract import ReadFeatureFlags
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.settling import settle_loop
from supaqueue.cutover.spool import Spool
from supaqueue.maintain.settling import SettleLoop, open_records, settle_name
from supaqueue.telemetry.logs import configure_logging

GRACE_SECONDS = 20.0
"""How long the turn under way may go on after a signal; one that is cut off is repeated by another relay."""


def relay(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and leave.")] = False,
    legacy: Legacy = None,
    settle: Annotated[
        str | None,
        typer.Option(
            metavar="RECORDS", help="MODULE:ATTRIBUTE of records in doubt; by default SUPAQUEUE_SETTLE."
        ),
    ] = None,
    log_format: Annotated[str, typer.Option(help="json or text.")] = "text",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    as_json: AsJson = False,
) -> None:
    """Relay until SIGTERM or SIGINT; a line for each turn in which something was done.

    Each host that spools needs one. Of all relays one at a time does what is not in a spool. With records, it
    also settles those of which an application does not know whether their job is enqueued.
    """
    configure_logging(format=log_format, level=log_level)  # type: ignore[arg-type]
    say = _say_json if as_json else _say
    name = settle_name(settle)
    records = open_records(name) if name else None
    with supabase() as transport, legacy_queue(legacy) as queue:
        spool = Spool.load()
        relay = Relay(transport, queue, spool)
        if once:
            _once(relay, settle_loop(transport, queue, spool, records, _nobody) if records else None, say)
            return
        transport.send(ReadFeatureFlags())  # says at once what is wrong with address, key or database
        loops: list[RelayLoop | SettleLoop] = [RelayLoop(relay, transport, say)]
        if records is not None:
            loops.append(settle_loop(transport, queue, spool, records, say))
        _run_until_told(loops)


def turn(relay: Relay) -> Relayed:
    """Do all that is due now, whoever else relays: they do the same twice, at worst.

    Raises:
        CallError: Supabase or legacy gave no usable answer; what was done until then stays done.
        SpoolError: the spool cannot be read.
    """
    done = relay.send_spooled()
    done += relay.hand_back()
    done += relay.turn()
    return done


def _once(relay: Relay, settling: SettleLoop | None, say: Callable[[Relayed], None]) -> None:
    done = turn(relay)
    try:
        if settling is not None:
            done += Relayed(settled_unknown=len(settling.turn()))
    finally:
        say(done)


def _nobody(done: Relayed) -> None:
    """Say nothing: who takes the turns does."""


def said(done: Relayed) -> str:
    """Return what was done, as a list of counts."""
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in asdict(done).items() if count]
    return ", ".join(counts) or "nothing was due"


def _say(done: Relayed) -> None:
    print(f"{datetime.now():%H:%M:%S} {said(done)}", flush=True)


def _say_json(done: Relayed) -> None:
    print_json(done)


def _run_until_told(loops: Sequence[RelayLoop | SettleLoop]) -> None:
    """Run until a signal comes. It is waited for, not handled: a handler may come while locks are held."""
    signals = (signal.SIGTERM, signal.SIGINT)
    for one in signals:
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    for loop in loops:
        loop.start()
    signal.sigwait(signals)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)  # a second one leaves at once
    for seconds in (0.0, GRACE_SECONDS):  # all are told before one is waited for
        for loop in loops:
            loop.stop(seconds)
