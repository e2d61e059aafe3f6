"""`supaqueue parity run`: jobs sent through both systems, waited for, and compared."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from supaqueue.cli.parity.options import (
    AsJson,
    Bound,
    Compare,
    Html,
    Messages,
    Rules,
    comparators,
    page_file,
    rate,
    seconds_given,
    tell,
)
from supaqueue.cli.parity.progress import Shown
from supaqueue.cli.rollout.options import Legacy, legacy_queue, supabase
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.rules import load_rules
from supaqueue.cutover.parity.sending import jobs_of, read_inputs, send_and_compare
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.settings import Settings

Input = Annotated[
    Path,
    typer.Option(
        "--input", metavar="FILE", help="JSON Lines: objects with task_type and payload, taken in turn."
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, max=100_000, help="How many jobs to send.")]
Timeout = Annotated[str, typer.Option(help="How long to wait for both systems, like 5m.")]


def run(
    inputs: Input,
    jobs: Jobs = 100,
    timeout: Timeout = "5m",
    rules: Rules = None,
    bound: Bound = 1.0,
    messages: Messages = False,
    compare: Compare = None,
    legacy: Legacy = None,
    as_json: AsJson = False,
    html: Html = None,
) -> None:
    """Send jobs through both systems by the router, wait until both have said all, and compare.

    They are real jobs: workers of both systems run them, those of Supabase without effects while legacy owns
    them. Needs a relay that runs, and at stages before canary shadows. Exit codes as of `check`.
    """
    seconds = seconds_given(timeout, "--timeout")
    now = datetime.now(UTC)
    question = Question(
        now,
        now,
        rules=load_rules(rules) if rules else (),
        declared_bound=rate(bound),
        with_messages=messages,
        comparators=comparators(compare or ()),
        max_json_bytes=Settings.load().max_json_bytes,
    )
    given = read_inputs(inputs)
    with page_file(html) as page:
        with legacy_queue(legacy) as queue, supabase() as transport, Shown(jobs) as shown:
            made = jobs_of(given, jobs, transport)
            with DualWriteQueue(queue, Settings.load()) as router:
                checked = send_and_compare(
                    router, transport, queue, made, question, timeout=seconds, progress=shown
                )
        raise tell(checked, as_json=as_json, page=page)
