"""Events as structured log records, and formatters that let no key through.

The hook writes to the logger `supaqueue.events` and configures nothing. `configure_logging` is for programs,
such as the command line, and is the only function here that touches the root logger.
"""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import fields
from datetime import UTC, datetime
from typing import Literal, TextIO

from supaqueue.errors import ConfigurationError
from supaqueue.telemetry import events
from supaqueue.telemetry.events import EVENT_TYPES, Event
from supaqueue.telemetry.redaction import redact, redact_value

LEVELS: dict[type[Event], int] = {
    events.JobEnqueued: logging.DEBUG,
    events.JobStarted: logging.DEBUG,
    events.JobSucceeded: logging.DEBUG,
    events.QueueDepth: logging.DEBUG,
    events.JobRetried: logging.INFO,
    events.QueueUnavailable: logging.WARNING,
    events.LeaseLost: logging.WARNING,
    events.WorkerStalled: logging.WARNING,
    events.MirrorFailed: logging.WARNING,
    events.ReadFallback: logging.INFO,
    events.ParityMismatch: logging.WARNING,
    events.RolloutChanged: logging.WARNING,
    events.LookFailed: logging.WARNING,
    events.LooksFailing: logging.ERROR,
    events.LooksRecovered: logging.INFO,
    events.JobFailed: logging.ERROR,
}

_FIELDS = {event: tuple(item.name for item in fields(event) if item.repr) for event in EVENT_TYPES}
_RECORD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_HANDLER_NAME = "supaqueue"
_REQUEST_LOGGERS = ("httpx", "httpcore", "hpack", "urllib3")

logging.getLogger("supaqueue").addHandler(logging.NullHandler())


class LogHook:
    """Writes each event as one record: the event's name as message, its fields as `extra`."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("supaqueue.events")

    def __call__(self, event: Event) -> None:
        """Log `event`; costs one look-up when its level is disabled."""
        kind = type(event)
        level = LEVELS[kind]
        if self._logger.isEnabledFor(level):
            extra = {name: getattr(event, name) for name in _FIELDS[kind]}
            exception = getattr(event, "exception", None)
            if exception is not None:
                extra["raised_at"] = raised_at(exception)
            self._logger.log(level, event.name, extra=extra)


def raised_at(exception: BaseException) -> str:
    """Return where it was raised, innermost first: files, lines and functions of five frames, no values."""
    frames = [
        f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(exception.__traceback__)
    ]
    return " < ".join(reversed(frames[-5:]))


class Redaction(logging.Formatter):
    """Wraps any formatter, so that no key or password leaves it, tracebacks included."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Return what the wrapped formatter makes of `record`, redacted."""
        return redact(self._formatter.format(record))


class TextFormatter(logging.Formatter):
    """One line for people: time, level, logger, message, then the extra fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without a traceback."""
        return super().formatMessage(record) + "".join(
            f" {name}={value}" for name, value in _extra(record).items()
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the record's time in UTC, to the millisecond."""
        return _time(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the extra fields, and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `record` as one line of JSON with every string redacted before it is encoded."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in _extra(record).items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(redact_value(line))


def configure_logging(
    format: Literal["json", "text"] = "text",
    level: int | str = "INFO",
    stream: TextIO | None = None,
) -> None:
    """Send all log records of this program to `stream` (standard error by default), redacted.

    For programs only. Calling it again replaces what the call before set up and leaves other handlers alone.

    Raises:
        ConfigurationError: `level` or `format` is not one of those known.
    """
    root = logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(_formatter(format))
    number = _level(level)
    for former in [former for former in root.handlers if former.get_name() == _HANDLER_NAME]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(number)
    for name in _REQUEST_LOGGERS:
        # Below WARNING these write a line per request, hpack and httpcore with its headers.
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(format: str) -> logging.Formatter:
    if format == "json":
        return JsonFormatter()
    if format == "text":
        return Redaction(TextFormatter())
    raise ConfigurationError(f"the log format {format!r} is unknown: use json or text")


def _level(level: int | str) -> int:
    if isinstance(level, int):
        return level
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise ConfigurationError(f"the log level {level!r} is unknown: use one of {', '.join(known)}")
    return known[level.upper()]


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _RECORD_ATTRIBUTES}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
