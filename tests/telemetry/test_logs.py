from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from supaqueue.errors import ConfigurationError
from supaqueue.telemetry import configure_logging, events
from supaqueue.telemetry.events import EVENT_TYPES
from supaqueue.telemetry.logs import LEVELS, LogHook, Redaction
from supaqueue.telemetry.redaction import redact

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl-_x"
SECRETS = {
    TOKEN: "c2lnbmF0dXJl",
    f"GET https://x.supabase.co/rest/v1/jobs?apikey={TOKEN}&select=id": "eyJyb2xl",
    "https://x.supabase.co/rest/v1/jobs?apikey=opaque-Key-123&select=id": "opaque-Key-123",
    "sb_secret_AbC-123_x4": "AbC-123",
    "key is sb_publishable_ZyX_987.": "ZyX_987",
    "{'apikey': 'opaque-Key-123', 'accept': 'json'}": "opaque-Key-123",
    '{"Authorization": "Bearer opaque-Key-123"}': "opaque-Key-123",
    r'"{\"authorization\": \"Bearer opaque-Key-123\"}"': "opaque-Key-123",
    "Headers([(b'apikey', b'opaque-Key-123')])": "opaque-Key-123",
    "authorization: Basic b3BhcXVl": "b3BhcXVl",
    "postgresql://postgres:pa:ss/w@rd'1@db.host:5432/postgres": "rd'1",
    "postgres://worker:hunter2@localhost/x": "hunter2",
    "postgresql+psycopg://worker:hunter2@localhost/x": "hunter2",
    "redis://:hunter2@localhost:6379/0": "hunter2",
    "host=db user=postgres password=hunter2 dbname=x": "hunter2",
    r"host=db password='hun\'ter2' dbname=x": "ter2",
    "PGPASSWORD=hunter2": "hunter2",
    "SUPABASE_SERVICE_ROLE_KEY=hunter2 did not work": "hunter2",
    "SUPAQUEUE_WATCH_WEBHOOK_SECRET='hunter2'": "hunter2",
    "the client secret: hunter2": "hunter2",
}


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "hpack", "urllib3")}
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in quiet.items():
        logging.getLogger(name).setLevel(former)


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_no_key_leaves_a_formatter_by_any_way(form: Any, text: str, secret: str) -> None:
    stream = io.StringIO()
    configure_logging(form, "DEBUG", stream)
    logger = logging.getLogger("a.handler")
    try:
        raise ValueError(f"outer {text}") from KeyError(f"cause {text}")
    except ValueError:
        logger.exception("message %s", text, extra={"note": text, "nested": {"deep": [text], text: 1}})
    logger.info(text, stack_info=True)

    printed = stream.getvalue()
    assert secret not in printed
    assert printed.count("[redacted]") >= 5
    assert "ValueError" in printed
    if form == "json":
        assert [json.loads(line)["logger"] for line in printed.splitlines()] == ["a.handler"] * 2


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "apikey ",
        "a://",
        "postgres://",
        "eyJ",
        "eyJ.",
        "password='",
        "secret=",
        "\\",
        "://:",
        "authorization: ",
    ],
)
def test_a_megabyte_of_anything_ends(part: str) -> None:
    """Reading it in more than linear time would take hours."""
    for opening in ("", "password='", "postgres://u:", "apikey"):
        redact(opening + part * (1_000_000 // len(part)))


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_secret_is_known_by_the_name_of_its_field(form: Any) -> None:
    stream = io.StringIO()
    configure_logging(form, "INFO", stream)
    logging.getLogger("a").info("calling", extra={"headers": {"apikey": "opaque-Key-123", "accept": "json"}})
    assert "opaque-Key-123" not in stream.getvalue()
    assert "json" in stream.getvalue()


def test_ordinary_text_passes_unchanged() -> None:
    text = "authorization failed for role anon; see https://supabase.com/docs?a=b, job 0190-7 (bad password)"
    record = logging.makeLogRecord({"msg": text})
    assert Redaction(logging.Formatter()).format(record) == text


def test_json_lines_carry_the_event_and_its_fields(one_of_each: tuple[events.Event, ...]) -> None:
    stream = io.StringIO()
    configure_logging("json", "DEBUG", stream)
    for event in one_of_each:
        LogHook()(event)

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines] == [event.name for event in one_of_each]
    assert [line["level"] for line in lines] == [
        "DEBUG", "DEBUG", "INFO", "DEBUG", "ERROR", "WARNING", "WARNING", "DEBUG", "WARNING",
        "WARNING", "INFO", "WARNING", "WARNING", "WARNING", "ERROR", "INFO",
    ]  # fmt: skip
    retried = lines[2]
    assert {"logger": "supaqueue.events", "job_id": "job-7", "attempt": 1, "ran_seconds": 1.5}.items() <= (
        retried.items()
    )
    assert retried["time"].endswith("+00:00")


def test_text_lines_carry_the_fields(one_of_each: tuple[events.Event, ...]) -> None:
    stream = io.StringIO()
    configure_logging("text", "DEBUG", stream)
    LogHook()(one_of_each[4])
    [line] = stream.getvalue().splitlines()
    assert "ERROR   supaqueue.events job_failed job_id=job-7 " in line
    assert line.endswith(" ran_seconds=3.5 error_type=ValueError")


def test_an_exception_reaches_no_record(ids: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("tell nobody")
    LogHook()(events.JobFailed(**ids, attempt=1, ran_seconds=1, error_type="ValueError", exception=error))
    [record] = [one for one in caplog.records if one.name == "supaqueue.events"]
    assert error not in record.__dict__.values()
    assert record.exc_info is None


def test_every_event_has_a_level() -> None:
    assert set(LEVELS) == set(EVENT_TYPES)


def test_a_disabled_level_costs_no_more_than_asking(one_of_each: tuple[events.Event, ...]) -> None:
    class Counting(logging.Logger):
        calls = 0

        def log(self, *args: Any, **kwargs: Any) -> None:
            self.calls += 1

    logger = Counting("quiet", logging.WARNING)
    for event in one_of_each:
        LogHook(logger)(event)
    assert logger.calls == 9


def test_configuring_again_replaces_only_its_own_handler(root_logger: logging.Logger) -> None:
    foreign = logging.NullHandler()
    root_logger.addHandler(foreign)
    configure_logging("text", "INFO", io.StringIO())
    before = set(root_logger.handlers)
    configure_logging("json", "INFO", io.StringIO())
    assert len(root_logger.handlers) == len(before)
    assert len(before - set(root_logger.handlers)) == 1, "its own, of the call before"
    assert foreign in root_logger.handlers


def test_the_hook_configures_nothing(
    root_logger: logging.Logger, one_of_each: tuple[events.Event, ...]
) -> None:
    handlers, level = list(root_logger.handlers), root_logger.level
    for event in one_of_each:
        LogHook()(event)
    assert (root_logger.handlers, root_logger.level) == (handlers, level)


def test_request_loggers_stay_quiet_even_when_debugging() -> None:
    stream = io.StringIO()
    configure_logging("text", "DEBUG", stream)
    for name in ("httpx", "httpcore.http11", "hpack.hpack", "urllib3.connectionpool"):
        logging.getLogger(name).info("a request with its headers")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("form", "level"), [("xml", "INFO"), ("json", "LOUD")])
def test_unknown_choices_are_refused_and_change_nothing(
    form: Any, level: str, root_logger: logging.Logger
) -> None:
    handlers = list(root_logger.handlers)
    with pytest.raises(ConfigurationError, match=r"xml|LOUD"):
        configure_logging(form, level)
    assert root_logger.handlers == handlers


def test_a_failure_is_logged_with_the_place_and_without_the_text() -> None:
    def fails(secret: str) -> None:
        raise ValueError(secret)

    try:
        fails("planted")
    except ValueError as error:
        exception = error
    records: list[logging.LogRecord] = []
    logger = logging.Logger("test")
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore
    logger.addHandler(handler)
    LogHook(logger)(
        events.JobFailed(
            job_id="j",
            task_number=0,
            queue="q",
            task_type="t",
            worker_id="w",
            attempt=1,
            ran_seconds=0.1,
            error_type="ValueError",
            exception=exception,
        )
    )
    (record,) = records
    assert "test_logs.py:" in record.__dict__["raised_at"]
    assert " in fails < " in record.__dict__["raised_at"]
    assert "planted" not in str(record.__dict__)
