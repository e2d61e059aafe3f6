"""Ids: their shape, their bucket, and that a key always makes the same one."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supaqueue.errors import InvalidInput
from supaqueue.job_id import BUCKETS, bucket_of, check_job_id, job_id_from_key, new_job_id


def test_a_new_id_is_a_uuid_of_version_7_and_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_job_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_new_ids_differ_and_their_buckets_are_even() -> None:
    ids = [new_job_id() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    tenths = Counter(bucket_of(job_id) // 1000 for job_id in ids)
    assert tenths.keys() == set(range(10))
    # 2,000 expected each, standard deviation 42: ten of them.
    assert all(abs(count - 2000) < 420 for count in tenths.values())


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_id_from_a_key_is_a_valid_one_and_stays(task_type: str, key: str) -> None:
    made = job_id_from_key(task_type, key)
    assert made == job_id_from_key(task_type, key)
    assert check_job_id(made) == made
    digest = hashlib.sha256(f"{task_type}:{key}".encode()).digest()
    assert bucket_of(made) == int.from_bytes(digest[:4]) * BUCKETS >> 32
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)


def test_an_id_from_a_key_never_changes_between_versions() -> None:
    assert job_id_from_key("resize", "invoice-7") == "5f970d56-dd18-7e59-84a6-12f4eacd4e95"


def test_keys_of_different_types_are_different() -> None:
    assert job_id_from_key("resize", "7") != job_id_from_key("send", "7")


def test_an_id_is_brought_into_one_form() -> None:
    made = new_job_id()
    assert check_job_id(made.upper()) == made
    assert check_job_id(made.replace("-", "")) == made
    assert check_job_id(uuid.UUID(made)) == made


@pytest.mark.parametrize("text", ["", "7", "no-uuid", "01a203d1-fced-70fa-bd99-9934a0a1d3350", 7, None, b"x"])
def test_what_is_no_uuid_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_job_id(text)
    assert raised.value.field == "job_id"


@pytest.mark.parametrize("bucket", [BUCKETS, 2**14 - 1])
def test_a_uuid_without_a_bucket_is_refused(bucket: int) -> None:
    value = uuid.UUID(int=uuid.UUID(new_job_id()).int >> 14 << 14 | bucket)
    with pytest.raises(InvalidInput, match="idempotency_key"):
        check_job_id(str(value))
