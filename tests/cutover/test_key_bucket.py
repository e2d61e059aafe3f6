"""A tenant's bucket is the same in Python and in SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from supaqueue.cutover.tenants import LONGEST_KEY, key_bucket
from supaqueue.errors import InvalidInput

KEYS = ["a", "tenant-7", " ", "ключ", "🦆" * 50, "a:b", "'; --", "\\x00", "\x7f", "x" * LONGEST_KEY]


def test_python_and_sql_agree(connect: Callable[[], psycopg.Connection[Any]]) -> None:
    keys = KEYS + [str(number) for number in range(20_000)]
    connection = connect()
    row = connection.execute("select salt from job_settings").fetchone()
    assert row is not None
    found = connection.execute(
        """select array_agg(supaqueue_key_bucket(key) order by place)
           from unnest(%s::text[]) with ordinality as given (key, place)""",
        [keys],
    ).fetchone()
    assert found is not None
    assert found[0] == [key_bucket(row[0], key) for key in keys]


def test_a_bucket_never_changes_between_versions() -> None:
    assert [key_bucket("salt", key) for key in ("tenant-7", "ключ", "🦆")] == [4769, 9313, 3087]


@pytest.mark.parametrize("key", ["", "x" * (LONGEST_KEY + 1), "a\0", "\ud800", None, 7])
def test_what_sql_could_not_hash_is_refused(key: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        key_bucket("salt", key)
    assert raised.value.field == "tenant"
