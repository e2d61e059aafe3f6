"""The classes of the contract and the functions of a migrated database are the same, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from supaqueue.contract import ALL_CALLS
from tests.unit.contract.examples import EXAMPLES

Connect = Callable[[], psycopg.Connection[Any]]

OPEN_FUNCTIONS = """
    select p.proname, p.proargnames, p.provolatile from pg_proc p
    where p.pronamespace = 'public'::regnamespace and exists (
        select from pg_roles r
        where r.rolname in ('anon', 'authenticated', 'service_role', 'supaqueue_worker', 'supaqueue_producer')
            and has_function_privilege(r.oid, p.oid, 'execute'))
"""


def open_functions(connect: Connect) -> dict[str, tuple[set[str], str]]:
    """Argument names and volatility of every function that a role of the API may call."""
    rows = connect().execute(OPEN_FUNCTIONS).fetchall()
    found = {name: (set(arguments or ()), volatility) for name, arguments, volatility in rows}
    assert len(found) == len(rows), "PostgREST cannot choose between overloads"
    return found


def test_every_open_function_has_a_class_and_every_class_a_function(connect: Connect) -> None:
    assert open_functions(connect).keys() == {call.function for call in ALL_CALLS}


def test_arguments_have_the_same_names(connect: Connect) -> None:
    functions = open_functions(connect)
    for call in EXAMPLES:
        assert call.arguments().keys() == functions[call.function][0], call.function


def test_what_changes_nothing_is_declared_so_on_both_sides(connect: Connect) -> None:
    functions = open_functions(connect)
    for call in ALL_CALLS:
        assert call.mutates == (functions[call.function][1] == "v"), call.function
