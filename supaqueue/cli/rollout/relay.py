"""`supaqueue rollout relay`: tell each system what it was not told of the other's jobs."""

from __future__ import annotations

import signal
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from supaqueue.cli.rollout.options import AsJson, Legacy, legacy_queue, print_json, supabase
from supaqueue.contract import ReadFeatureFlags
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.spool import Spool
from supaqueue.telemetry.logs import configure_logging

GRACE_SECONDS = 20.0
"""How long the turn under way may go on after a signal; one that is cut off is repeated by another relay."""


def relay(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and leave.")] = False,
    legacy: Legacy = None,
    log_format: Annotated[str, typer.Option(help="json or text.")] = "text",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    as_json: AsJson = False,
) -> None:
    """Relay until SIGTERM or SIGINT; a line for each turn in which something was done.

    Each host that spools needs one. Of all relays one at a time does what is not in a spool.
    """
    configure_logging(format=log_format, level=log_level)  # type: ignore[arg-type]
    say = _say_json if as_json else _say
    with supabase() as transport, legacy_queue(legacy) as queue:
        relay = Relay(transport, queue, Spool.load())
        if once:
            say(turn(relay))
            return
        transport.send(ReadFeatureFlags())  # says at once what is wrong with address, key or database
        _run_until_told(RelayLoop(relay, transport, say))


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


def said(done: Relayed) -> str:
    """Return what was done, as a list of counts."""
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in asdict(done).items() if count]
    return ", ".join(counts) or "nothing was due"


def _say(done: Relayed) -> None:
    print(f"{datetime.now():%H:%M:%S} {said(done)}", flush=True)


def _say_json(done: Relayed) -> None:
    print_json(done)


def _run_until_told(loop: RelayLoop) -> None:
    """Run until a signal comes. It is waited for, not handled: a handler may come while locks are held."""
    signals = (signal.SIGTERM, signal.SIGINT)
    for one in signals:
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    loop.start()
    signal.sigwait(signals)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)  # a second one leaves at once
    loop.stop(GRACE_SECONDS)
