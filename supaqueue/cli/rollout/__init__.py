"""`supaqueue rollout`: leaving a legacy queue, step by step, and back."""

from __future__ import annotations

import typer

from supaqueue.cli.could_not_run import CommandWithAnswers
from supaqueue.cli.rollout import (
    begin,
    clear,
    drain_proof,
    gate,
    hand_back,
    history,
    relay,
    release_parked,
    simulate,
    status,
    switch,
    take_over,
    watch,
)

app = typer.Typer(
    help="Leave a legacy queue step by step: who owns new jobs, what moves between both, and the way back.",
    no_args_is_help=True,
)
app.command("begin")(begin.begin)
app.command("status")(status.status)
app.command("set", cls=switch.NegativePercent)(switch.set_percent)
app.command("enable")(switch.enable)
app.command("disable")(switch.disable)
app.command("history")(history.history)
app.command("relay")(relay.relay)
app.command("hand-back")(hand_back.hand_back)
app.command("take-over")(take_over.take_over)
app.command("drain-proof")(drain_proof.drain_proof)
app.command("release-parked")(release_parked.release_parked)
app.command("simulate")(simulate.run)
app.command("gate", cls=CommandWithAnswers)(gate.gate)
app.command("watch")(watch.watch)
app.command("clear")(clear.clear)

__all__ = ["app"]
