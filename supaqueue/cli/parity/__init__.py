"""`supaqueue parity`: proof that two queues agree."""

from __future__ import annotations

import typer

from supaqueue.cli.parity import check, repair, run, watch
from supaqueue.cli.parity.exit_codes import CouldNotRun

app = typer.Typer(
    cls=CouldNotRun,
    help="Prove that the legacy queue and Supabase agree, job by job, or show where they do not.",
    no_args_is_help=True,
)


app.command("check")(check.check)
app.command("run")(run.run)
app.command("repair")(repair.repair)
app.command("watch")(watch.watch)

__all__ = ["app"]
