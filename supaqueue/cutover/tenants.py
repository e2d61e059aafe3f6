"""The bucket of a tenant, for task types that move tenant by tenant."""

from __future__ import annotations

import hashlib

from supaqueue.contract.json_value import check_text
from supaqueue.job_id import BUCKETS

LONGEST_KEY = 1000


def key_bucket(salt: str, key: str) -> int:
    """Return the bucket of a key, 0 to 9,999; the same as supaqueue_key_bucket finds in SQL.

    Args:
        salt: the installation's, from `FeatureFlags.salt`; it never changes.
        key: for example a tenant's id.

    Raises:
        InvalidInput: the key is no text that Postgres can hold.
    """
    check_text(key, field="tenant", max_length=LONGEST_KEY)
    digest = hashlib.sha256(f"{salt}:{key}".encode()).digest()
    return int.from_bytes(digest[:4]) * BUCKETS >> 32
