"""What every call has: the SQL function it names, its arguments, and how to read the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from supaqueue.contract.json_value import Json

CONTRACT_VERSION = 1
"""The version of the SQL contract that these classes speak; every call carries it."""

Reply = TypeVar("Reply", covariant=True)


class Call(ABC, Generic[Reply]):
    """One call of one SQL function. Every call is repeatable: sent twice, it has the effect of one.

    Attributes:
        function: the SQL function's name.
        mutates: whether it changes anything.
    """

    __slots__ = ()

    function: ClassVar[str]
    mutates: ClassVar[bool]

    @abstractmethod
    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name, as JSON."""

    @abstractmethod
    def parse(self, body: Json) -> Reply:
        """Read the function's answer.

        Raises:
            ValueError: the answer is none of this function. Its text may quote the answer: never show it.
        """

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs that this call names."""
        return ()


def expect_answers(asked: int, answered: int) -> None:
    """Refuse an answer that has not one row for each row asked about.

    Raises:
        ValueError: the numbers differ.
    """
    if asked != answered:
        raise ValueError(f"asked about {asked} rows, answered about {answered}")
