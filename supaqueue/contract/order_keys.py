"""Order keys that a failed task blocks: listing them, letting them go on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import TypeAdapter

from supaqueue.answer import BlockedKey, KeyRelease
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json


@dataclass(frozen=True, slots=True)
class BlockedKeyPage:
    """Blocked keys by queue and key; `next_page` asks for those after them, None at the end."""

    blocked_keys: tuple[BlockedKey, ...]
    next_page: str | None


_PAGE = TypeAdapter(BlockedKeyPage)
_RELEASED = TypeAdapter(tuple[KeyRelease, ...])


@dataclass(frozen=True, slots=True)
class ListBlockedKeys(Call[BlockedKeyPage]):
    """List up to `page_size` (1 to 1000) blocked keys of a queue, or of all, from `page` on."""

    function: ClassVar[str] = "list_blocked_keys_v1"
    mutates: ClassVar[bool] = False

    queue: str | None = None
    page: str | None = None
    page_size: int = 500

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "queue": self.queue,
            "page": self.page,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> BlockedKeyPage:
        """Read the answer; raises ValueError if it is none."""
        return _PAGE.validate_python(body)


@dataclass(frozen=True, slots=True)
class ReleaseKeys(Call[tuple[KeyRelease, ...]]):
    """Let keys, each as (queue, order key), go on past the failed task that blocks them; up to 1,000.

    Answers each of them, in order. A repeat of `request_id` is answered as the first was.
    """

    function: ClassVar[str] = "release_keys_v1"
    mutates: ClassVar[bool] = True

    keys: tuple[tuple[str, str], ...]
    reason: str | None = None
    changed_by: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "keys": [{"queue": queue, "order_key": order_key} for queue, order_key in self.keys],
            "reason": self.reason,
            "changed_by": self.changed_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[KeyRelease, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _RELEASED.validate_python(body)
        expect_answers(len(self.keys), len(answers))
        return answers
