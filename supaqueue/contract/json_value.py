"""JSON that Postgres can hold: checked before anything is written, with the place of what it cannot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TypeAlias

from pydantic import BaseModel, JsonValue
from pydantic_core import PydanticSerializationError

from supaqueue.errors import InvalidInput
from supaqueue.settings import MAX_JSON_BYTES

Json: TypeAlias = JsonValue

MAX_DEPTH = 100
MAX_DIGITS = 4300
"""What Python itself reads back by default; Postgres would hold 131,072 digits before the point."""

_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_TOO_LARGE = 10**MAX_DIGITS
_LONG_NUMBER = re.compile(rf"\d{{{MAX_DIGITS + 1}}}")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def checked_json(value: object, *, field: str, max_bytes: int = MAX_JSON_BYTES) -> Json:
    """Return `value`, plain JSON or a pydantic model, as a plain copy that Postgres can hold.

    Tuples become lists. Numbers keep their value; a large float may come back as an int.

    Args:
        field: what errors call it, for example `payload`.
        max_bytes: the most that it may take as compact UTF-8.

    Raises:
        InvalidInput: with `field` as the path of what cannot be stored. Never quotes a value.
    """
    copy, size = measured_json(value, field=field)
    check_size(size, field=field, max_bytes=max_bytes)
    return copy


def measured_json(value: object, *, field: str) -> tuple[Json, int]:
    """Return what `checked_json` does, of any size, and its size in bytes.

    Raises:
        InvalidInput: as `checked_json`.
    """
    plain = _dumped(value, field) if isinstance(value, BaseModel) else value
    try:
        text = encode(plain)
        size = len(text.encode())
        copy: Json = json.loads(text)
        # Equal means that every key was text: JSON turns 1 into "1". A tuple differs and is walked too.
        if not _is_suspicious(text, copy) and copy == plain:
            return copy, size
    except (TypeError, ValueError, RecursionError):
        refuse_unstorable(plain, field)
        raise InvalidInput("cannot be written as JSON", field=field) from None
    refuse_unstorable(plain, field)
    return copy, size


def check_size(size: int, *, field: str, max_bytes: int) -> None:
    """Refuse what takes more than `max_bytes`.

    Raises:
        InvalidInput: it does.
    """
    if size > max_bytes:
        raise InvalidInput(
            f"takes {size:,} bytes as JSON, the limit is {max_bytes:,};"
            " store it elsewhere and pass its address, or raise SUPAQUEUE_MAX_JSON_BYTES",
            field=field,
        )


def encode(value: object) -> str:
    """Return `value` as compact JSON text, which no NaN, infinity or cycle can be."""
    return _COMPACT.encode(value)


def without_none(row: Mapping[str, Json]) -> dict[str, Json]:
    """Return `row` without the keys that are None: to SQL, what is absent is not set."""
    return {key: value for key, value in row.items() if value is not None}


def storable_text(text: str) -> str:
    """Return `text` with each character that Postgres cannot hold replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Json) -> Json:
    """Return JSON with what Postgres cannot hold replaced: characters by U+FFFD, a number by what it is."""
    if isinstance(value, dict):
        return {storable_text(key): storable_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [storable_json(part) for part in value]
    if isinstance(value, str):
        return storable_text(value)
    return _problem_of_scalar(value) or value


def check_text(text: object, *, field: str, max_length: int = 200) -> str:
    """Return `text` if it is a name that Postgres can hold, of 1 to `max_length` characters.

    Raises:
        InvalidInput: it is not.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"must be text, not {type(text).__name__}", field=field)
    if not 1 <= len(text) <= max_length:
        raise InvalidInput(f"must have 1 to {max_length} characters, not {len(text)}", field=field)
    if problem := _problem_of_text(text):
        raise InvalidInput(problem, field=field)
    return text


def refuse_unstorable(value: object, path: str) -> None:
    """Walk through `value` and refuse the first thing in it that is no JSON or that Postgres cannot hold.

    Raises:
        InvalidInput: with the path of it.
    """
    parents: list[int] = []
    stack: list[tuple[str, object, int]] = [(path, value, 0)]
    while stack:
        place, item, depth = stack.pop()
        if problem := _problem_of_scalar(item):
            raise InvalidInput(problem, field=place)
        if not isinstance(item, dict | list | tuple):
            continue
        del parents[depth:]
        if id(item) in parents:
            raise InvalidInput("contains itself", field=place)
        if depth >= MAX_DEPTH:
            raise InvalidInput(f"is nested more than {MAX_DEPTH} deep", field=place)
        parents.append(id(item))
        stack.extend((inner, part, depth + 1) for inner, part in reversed(list(_parts(place, item))))


def _dumped(model: BaseModel, field: str) -> object:
    try:
        return model.model_dump(mode="json", warnings="none")  # a warning would quote the values
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        name = type(model).__name__
        raise InvalidInput(f"the model {name} holds what cannot be written as JSON", field=field) from None


def _is_suspicious(text: str, copy: Json) -> bool:
    """Whether only a walk can tell; cheap, and wrong only on the side of a walk too many."""
    return (
        "\\u0000" in text
        or (text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(copy))
        or (len(text) > MAX_DIGITS and _LONG_NUMBER.search(text) is not None)
    )


def _is_too_deep(copy: Json) -> bool:
    level = [item for item in (copy,) if isinstance(item, dict | list)]
    for _ in range(MAX_DEPTH):
        parts = chain.from_iterable(item.values() if isinstance(item, dict) else item for item in level)
        level = [part for part in parts if isinstance(part, dict | list)]
    return bool(level)


def _problem_of_scalar(item: object) -> str | None:
    if item is None or isinstance(item, bool | dict | list | tuple):
        return None
    if isinstance(item, str):
        return _problem_of_text(item)
    if isinstance(item, int):
        return f"has more than {MAX_DIGITS:,} digits" if abs(item) >= _TOO_LARGE else None
    if isinstance(item, float):
        # Subtracting tells NaN and the infinities from every other float.
        return None if item - item == 0 else "is NaN or infinite, which JSON has not"
    if isinstance(item, BaseModel):
        return f"is a {type(item).__name__}: inside other values, pass its model_dump(mode='json')"
    return f"is a {type(item).__name__}, which JSON has not"


def _problem_of_text(text: str) -> str | None:
    if "\0" in text:
        return "contains the character U+0000, which Postgres cannot hold"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "contains half of a surrogate pair, which is no text"
    return None


def _parts(
    place: str, container: dict[object, object] | list[object] | tuple[object, ...]
) -> Iterator[tuple[str, object]]:
    if not isinstance(container, dict):
        yield from ((f"{place}[{index}]", part) for index, part in enumerate(container))
        return
    for position, (key, part) in enumerate(container.items()):
        if not isinstance(key, str):
            raise InvalidInput(f"has a key that is a {type(key).__name__}; keys are text", field=place)
        if problem := _problem_of_text(key):
            raise InvalidInput(f"its key number {position + 1} {problem}", field=place)
        yield (f"{place}.{key}" if _PLAIN_NAME.fullmatch(key) else f"{place}.<key {position + 1}>"), part
