"""Calls that the SDK's own classes would not make: any arguments, and the answer as it came."""

from __future__ import annotations

from typing import Any

from supaqueue.contract import CONTRACT_VERSION, Call, Json


def raw_call(function: str, **arguments: Any) -> Call[Any]:
    """Return a call of a function with these arguments, of this contract's version unless one is given."""
    given = {"contract_version": CONTRACT_VERSION} | arguments

    class Raw(Call[Any]):
        mutates = True

        def arguments(self) -> dict[str, Json]:
            return given

        def parse(self, body: Json) -> Any:
            return body

    Raw.function = function
    return Raw()
