"""The runbook's commands, read from MIGRATION_PLAN.md and run in its order while jobs keep coming.

Blocks are told apart by what stands behind their fence: `sh` is run and must succeed; `sh service` is started
and runs to the end; `sh until` is repeated until it succeeds; `sh demo` takes many minutes, and has tests
of its own; `sql` is run over a plain connection, and FAIL fails it; `python` begins with a comment that names
the file that it is written to. What `toml` asks for is cut short.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from supaqueue.contract import FeatureFlag, ReadFeatureFlags
from supaqueue.cutover.gate.gate_rules import GateRules, load_gate_rules
from supaqueue.cutover.plan import check_switches, effective_percent, effective_stage
from supaqueue.cutover.switches import DUAL_WRITE, ENABLED, PERCENT, Switches
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport

ROOT = Path(__file__).parents[2]
PLAN = (ROOT / "MIGRATION_PLAN.md").read_text()
BLOCK = re.compile(r"^```([a-z ]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^##+ (.*)$", re.MULTILINE)
BY_ENVIRONMENT = "By environment"
DEADLINE_SECONDS = 420.0
CUT_SHORT = """
least_backlog_minutes = 1
first_seconds = 2
settle_seconds = 5
step = [
    {percent = 10, mismatch_bound = 1.0, holding_hours = 0},
    {percent = 50, mismatch_bound = 1.0, holding_hours = 0},
    {percent = 100, mismatch_bound = 1.0, holding_hours = 0},
]
default = {error_objective = 5.0}
"""
"""The plan's rules without its days, and with the fewest jobs: which are proven elsewhere."""

HANDLERS = """
import json, os
from supaqueue import Context, Registry

registry = Registry()


@registry.task("invoice")
def invoice(payload: dict, context: Context) -> int:
    if not context.shadow:
        line = json.dumps([context.job_id, os.environ["SYSTEM"]]) + "\\n"
        file = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
    return payload["n"]
"""
"""What a team has: a handler. It says to an independent witness which system runs it."""

PRODUCER = """
import time
from itertools import count
from pathlib import Path
from app.queues import router

with router() as queue, open("accepted", "a", buffering=1) as accepted:
    for n in count():
        if Path("stop").exists():
            break
        print(queue.enqueue("invoice", {"n": n}).job_id, file=accepted)
        time.sleep(0.02)
time.sleep(3600)
"""
"""The product: enqueues all the time, by the plan's own function, until a file `stop` is there."""

INPUTS = "".join(json.dumps({"task_type": "invoice", "payload": {"n": n}}) + "\n" for n in range(20))
"""Jobs that do no harm, for `parity run`."""
SENT_BY_PARITY = 100

FLAG_AFTER = {
    "Preconditions": ("off", 0, False),
    "Week 1: staging": ("off", 0, False),
    "Week 2: dual write": ("mirror", 0, False),
    "Week 3: 10 percent": ("canary", 10, True),
    "The emergency": ("canary", 10, True),
    "Week 4: 50 percent": ("canary", 50, True),
    "Week 5: 100 percent": ("live", 100, True),
    "Week 6: clean-up": ("complete", 100, True),
}
"""Stage, percent and whether it is enabled, when a section's commands have been run."""


@dataclass(frozen=True)
class Block:
    section: str
    kind: str
    text: str


def blocks() -> list[Block]:
    sections = list(SECTION.finditer(PLAN))
    return [
        Block([one[1] for one in sections if one.start() < found.start()][-1], found[1].strip(), found[2])
        for found in BLOCK.finditer(PLAN)
    ]


@dataclass
class Site:
    """A team's machine: its folder with `.env` and code, and its services."""

    folder: Path
    stack: Stack
    services: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, block: Block) -> None:
        """Do what a block says."""
        match block.kind:
            case "sh":
                done = self.shell(block.text)
                assert done.returncode == 0, (block.text, done.stdout, done.stderr)
            case "sh until":
                self.until(lambda: self.shell(block.text).returncode == 0, block.text)
            case "sh service":
                self.start(block.text)
            case "sql":
                self.sql(block.text)
            case "python":
                self.write(block.text)
            case "toml":
                self.write(block.text.splitlines()[0] + CUT_SHORT)
            case "sh demo":
                pass
            case _:
                pytest.fail(f"{block.section}: no such kind of block: {block.kind}")

    def shell(self, text: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-euo", "pipefail", "-c", text]
        return subprocess.run(
            command, cwd=self.folder, env=self.environ("shell"), capture_output=True, text=True, timeout=600
        )

    def start(self, text: str) -> None:
        system = "legacy" if "legacy_worker" in text else "supabase"
        log = (self.folder / f"service-{len(self.services)}.log").open("wb")
        self.services.append(
            subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self.folder,
                env=self.environ(system),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        )

    def sql(self, text: str) -> None:
        with psycopg.connect(self.stack.database_url, autocommit=True) as database:
            for statement in filter(None, map(str.strip, text.split(";\n"))):
                found = database.execute(statement.removesuffix(";").encode())
                rows = found.fetchall() if found.description else []
                assert ("FAIL",) not in rows, statement

    def write(self, text: str) -> None:
        name = text.splitlines()[0].removeprefix("# ")
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def environ(self, system: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("SUPA")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{self.folder}:{ROOT}",
            "SYSTEM": system,
            "WITNESS": str(self.folder / "witness"),
        }

    def flag(self) -> tuple[str, int, bool]:
        with psycopg.connect(self.stack.database_url) as database:
            row = database.execute(
                "select stage, rollout_percent::int, is_enabled from feature_flag"
                " where flag_name = 'supabase_queue'"
            ).fetchone()
        assert row is not None
        return row

    def check_services(self) -> None:
        logs = [self.folder / f"service-{number}.log" for number in range(len(self.services))]
        for service, log in zip(self.services, logs, strict=True):
            assert service.poll() is None, (service.args, log.read_text()[-3000:])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self.check_services()
            time.sleep(0.5)

    def accepted(self) -> list[str]:
        """Ids of the jobs that were accepted."""
        return (self.folder / "accepted").read_text().split()

    def ran(self) -> dict[str, Counter[str]]:
        """By job, in which system its handler ran how often."""
        runs: dict[str, Counter[str]] = defaultdict(Counter)
        for line in (self.folder / "witness").read_text().splitlines():
            job_id, system = json.loads(line)
            runs[job_id][system] += 1
        return runs

    def close(self) -> None:
        for service in self.services:
            with suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGKILL)
            service.wait()


@pytest.fixture
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="plan-"))
    folder.chmod(0o755)
    stack = Stack(folder / "stack", durable=False)
    stack.up()
    site = Site(folder, stack)
    env = stack.env() | {"SUPABASE_DB_URL": stack.database_url, "SUPAQUEUE_LEGACY": "app.queues:legacy"}
    names = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_DB_URL", "SUPAQUEUE_LEGACY")
    (folder / ".env").write_text("".join(f"{name}='{env[name]}'\n" for name in names))
    site.write(f"# app/jobs.py\n{HANDLERS}")
    site.write("# app/__init__.py\n")
    site.write(f"# app/producer.py\n{PRODUCER}")
    (folder / "jobs.jsonl").write_text(INPUTS)
    yield site
    site.close()
    stack.remove()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_command_of_the_plan_in_its_order(site: Site) -> None:
    plan = [block for block in blocks() if block.section != BY_ENVIRONMENT]
    for number, block in enumerate(plan):
        site.run(block)
        site.check_services()
        if block.text == "python -m app.legacy_worker\n":
            site.start("python app/producer.py")
            site.until(lambda: (site.folder / "accepted").exists(), "the first job")
        if number + 1 == len(plan) or plan[number + 1].section != block.section:
            assert site.flag() == FLAG_AFTER[block.section], block.section
    assert len(site.services) == 5
    check_steps(site)
    (site.folder / "stop").touch()
    site.until(lambda: set(site.ran()) >= set(site.accepted()), "every job to run")
    assert len(set(site.ran()) - set(site.accepted())) == SENT_BY_PARITY, "no other ran"
    assert [job_id for job_id, runs in site.ran().items() if runs.total() != 1] == []
    systems = Counter(system for runs in site.ran().values() for system in runs)
    assert min(systems["legacy"], systems["supabase"]) > 10


def check_steps(site: Site) -> None:
    """Each share was entered on a pass, but for what a person chose; and nothing was taken back meanwhile."""
    with psycopg.connect(site.stack.database_url) as database:
        passed = database.execute(
            "select percent::int, next_percent::int from rollout_steps where verdict = 'pass'"
        ).fetchall()
        latched = database.execute(
            "select count(*) from feature_flag_changes where after ->> 'latched_at' is not null"
        ).fetchone()
    assert {(0, 10), (10, 50), (50, 100)} <= set(passed)
    assert latched == (0,)


def test_rules_of_the_plan_are_the_defaults_and_cut_short_in_time_and_size(tmp_path: Path) -> None:
    (rules,) = [block.text for block in blocks() if block.kind == "toml"]
    path = tmp_path / "gate.toml"
    path.write_text(rules)
    assert load_gate_rules(path) == GateRules()
    path.write_text(CUT_SHORT)
    assert [share.percent for share in load_gate_rules(path).shares] == [10, 50, 100]


def test_demos_that_take_long_are_those_that_have_tests_of_their_own() -> None:
    """In `test_demo_led.py`, which runs them with --json."""
    assert [block.text.splitlines() for block in blocks() if block.kind == "sh demo"] == [
        ["supaqueue demo --cutover", "supaqueue demo --cutover --inject errors --inject-at 10"]
    ]


def test_every_section_with_commands_says_what_to_see_and_how_to_go_back() -> None:
    for name, text in zip(SECTION.findall(PLAN), SECTION.split(PLAN)[2::2], strict=True):
        if name.startswith("Week") or name == "Preconditions":
            assert "**To see" in text, name
            assert "**Back" in text, name


def test_no_command_stands_in_the_text_alone() -> None:
    lines = [line for block in blocks() if block.kind.startswith("sh") for line in block.text.splitlines()]
    for command in re.findall(r"`(supaqueue [^`]*)`", re.sub(BLOCK, "", PLAN)):
        assert any(line.startswith(command) for line in lines), command


def test_a_cutover_that_the_environment_steers(site: Site) -> None:
    for block in blocks():
        if block.kind == "python":
            site.run(block)
    site.run(Block(BY_ENVIRONMENT, "sh", "supaqueue migrate"))
    (begin,) = [block for block in blocks() if block.section == BY_ENVIRONMENT]
    site.run(begin)
    settings = Settings(url=site.stack.url, service_role_key=site.stack.service_role_key)
    with RestTransport(settings) as transport:
        flag = transport.send(ReadFeatureFlags()).overall
    assert flag.by_environment
    found = [stage_and_percent(variables, flag) for variables in variables_by_week()]
    assert found == [("off", 0), ("mirror", 0), ("canary", 10), ("canary", 50), ("live", 100)]


def variables_by_week() -> list[dict[str, str]]:
    """The rows of the table but for the last one, where they are unset."""
    rows = re.findall(r"^\| (\d) \| `(\w+)` \| `(\w+)` \| (?:`(\d+)` )?\|$", PLAN, re.MULTILINE)
    assert [week for week, *_ in rows] == ["1", "2", "3", "4", "5"]
    return [dict(zip((DUAL_WRITE, ENABLED, PERCENT), values, strict=True)) for _, *values in rows]


def stage_and_percent(variables: dict[str, str], flag: FeatureFlag) -> tuple[str, int]:
    switches = Switches.load(variables, dotenv=None)
    check_switches(switches, flag)
    return effective_stage(switches, flag).value, int(effective_percent(switches, flag, None))
