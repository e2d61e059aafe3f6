"""`supaqueue parity`: proof that two queues agree."""

from __future__ import annotations

import typer

from supaqueue.cli.could_not_run import GroupWithAnswers
from supaqueue.cli.parity import check, repair, run, watch

app = typer.Typer(
    cls=GroupWithAnswers,
    help="Prove that the legacy queue and Supabase agree, job by job, or show where they do not.",
    no_args_is_help=True,
)


app.command("check")(check.check)
app.command("run")(run.run)
app.command("repair")(repair.repair)
app.command("watch")(watch.watch)

__all__ = ["app"]
