"""What every function holds its arguments to before it changes anything."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from supaqueue.contract import CONTRACT_VERSION
from supaqueue.job_id import BUCKETS
from supaqueue.testing.memory.refused import INVALID_TEXT, Refused, invalid
from supaqueue.testing.memory.tables import Row

SPOKEN = {"newest": CONTRACT_VERSION, "oldest": CONTRACT_VERSION}
ROWS_LIMIT = 10_000
LONGEST_DELAY_SECONDS = 3_153_600_000
LEASE = {"job_id": "a UUID", "task_number": "0 to 32767", "lease_token": "0 to 9007199254740991"}

_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_BUCKET_MASK = (1 << 14) - 1


def check_call(contract_version: Any) -> None:
    """Refuse a contract version that is not spoken here."""
    if not (isinstance(contract_version, int) and SPOKEN["oldest"] <= contract_version <= SPOKEN["newest"]):
        given = "none" if contract_version is None else contract_version
        raise Refused(
            "SQ001",
            f"contract version {given} is not spoken here; this database speaks"
            f" {SPOKEN['oldest']} to {SPOKEN['newest']}",
            detail=json.dumps(SPOKEN),
            hint='Run "supaqueue migrate" if the SDK is newer, upgrade the SDK if the database is.',
        )


def check_rows(place: str, given: Any, fields: Mapping[str, str], required: Sequence[str]) -> None:
    """Refuse rows of which one lacks a field, has an unknown one, or one of the wrong kind.

    Args:
        place: what to call a row, with its number as `%s`, like `jobs[%s]`.
        fields: what each key holds; None counts as left out.
    """
    if not isinstance(given, list):
        raise invalid(f"{place.split('[')[0]}: expected an array of objects")
    for number, row in enumerate(given):
        _check_required(_named(place, number), row, required)
    for number, row in enumerate(given):
        for key, value in row.items():
            _check_field(_named(place, number), key, value, fields)


def check_leases(argument: str, leases: Any) -> None:
    """Refuse whatever is no array of leases."""
    check_rows(f"{argument}[%s]", leases, LEASE, list(LEASE))


def check_range(field: str, value: Any, least: float, most: float, expected: str = "") -> None:
    """Refuse what is no number, or one out of its range."""
    check_number(field, value)
    if value is None or not least <= value <= most:
        raise invalid(f"{field}: expected {expected or f'{least} to {most}'}")


def check_number(field: str, value: Any) -> None:
    """Refuse what is neither a number nor None."""
    if value is not None and not _is_number(value):
        raise Refused(INVALID_TEXT, f"invalid input syntax for {field}")


def check_lease_seconds(lease_seconds: Any) -> None:
    """Refuse a lease that is too short or too long."""
    check_range("lease_seconds", lease_seconds, 1, 86400)


def check_names(field: str, names: Any, most: int) -> None:
    """Refuse what is no array of 1 to `most` names."""
    if names is not None and not isinstance(names, list):
        raise Refused(INVALID_TEXT, f"malformed array literal for {field}")
    if not names or len(names) > most or None in names:
        raise invalid(f"{field}: expected 1 to {most} names")


def read_job_ids(job_ids: Any) -> list[str]:
    """Return ids as Postgres writes them; refuse what are none, or too many."""
    if job_ids is None or len(job_ids) > ROWS_LIMIT:
        raise invalid("job_ids: expected at most 10000 in one call")
    ids = [None if job_id is None else read_uuid(job_id) for job_id in job_ids]
    if not all(job_id and has_bucket(job_id) for job_id in ids):
        raise invalid("job_ids: expected UUIDs whose last 14 bits are a bucket, 0 to 9999")
    return [job_id for job_id in ids if job_id]


def read_uuid(text: Any) -> str:
    """Return a UUID as Postgres writes it."""
    try:
        return str(UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise Refused(INVALID_TEXT, "invalid input syntax for type uuid") from None


def has_bucket(job_id: str) -> bool:
    """Whether the last 14 bits of an id are a bucket."""
    return int(job_id[-4:], 16) & _BUCKET_MASK < BUCKETS


def refuse_first(place: str, problems: Iterator[str | None]) -> None:
    """Refuse the first row that has a problem."""
    for number, problem in enumerate(problems):
        if problem:
            raise invalid(f"{place}[{number}].{problem}")


def out_of_range(row: Row, field: str, most: float, least: float = 0) -> bool:
    """Whether a row has this number, and it is not between `least` and `most`."""
    return row.get(field) is not None and not least <= row[field] <= most


def _named(place: str, number: int) -> str:
    return place % number if "%s" in place else place


def _check_required(place: str, row: Any, required: Collection[str]) -> None:
    if not isinstance(row, dict):
        raise invalid(f"{place}: expected an object")
    for field in required:
        if row.get(field) is None:
            raise invalid(f"{place}.{field}: expected a value")


def _check_field(place: str, key: str, value: Any, fields: Mapping[str, str]) -> None:
    if key not in fields:
        raise Refused(
            "SQ002",
            f"{place}.{key}: this option is not known to this database",
            detail=f"known: {', '.join(sorted(fields))}",
            hint='Leave it out, or run "supaqueue migrate" if a newer version enforces it.',
        )
    if value is not None and not _is(value, fields[key]):
        raise invalid(f"{place}.{key}: expected {fields[key]}")


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "JSON":
            return True
        case "a UUID":
            return isinstance(value, str) and _UUID.fullmatch(value) is not None
        case "1 to 200 characters":
            return _is_name(value)
        case "a number":
            return _is_number(value) and (value == 0 or 1e-300 < abs(value) < 1e15)
        case "an array of names":
            return isinstance(value, list) and all(map(_is_name, value))
        case "a string":
            return isinstance(value, str)
        case "a boolean":
            return isinstance(value, bool)
        case "an object":
            return isinstance(value, dict)
        case "an array":
            return isinstance(value, list)
    least, _, most = kind.partition(" to ")
    return isinstance(value, int) and _is_number(value) and int(least) <= value <= int(most)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 200
