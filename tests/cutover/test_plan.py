"""The plan table: its rows, every combination of settings, and what must always hold."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supaqueue.contract.feature_flag import FeatureFlag
from supaqueue.cutover.plan import (
    Plan,
    check_switches,
    effective_percent,
    effective_stage,
    plan,
    plan_unrouted,
    plan_without_flag,
    reads_first,
)
from supaqueue.cutover.stages import Stage
from supaqueue.cutover.switches import DUAL_WRITE, ENABLED, PERCENT, Switches
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import BUCKETS
from tests.cutover.flags import flag

UNSET = Switches()
NEW = {
    "legacy alone": ("legacy", "none", "legacy"),
    "legacy": ("legacy", "inert_row", "legacy"),
    "supabase": ("supabase", "parked", "supabase"),
    "supabase alone": ("supabase", "none", "supabase"),
}


def owners(overall: FeatureFlag, own: FeatureFlag | None = None, switches: Switches = UNSET) -> list[str]:
    return [plan(switches, overall, own, bucket).owner for bucket in range(BUCKETS)]


def share(overall: FeatureFlag, own: FeatureFlag | None = None, switches: Switches = UNSET) -> int:
    """How many buckets are Supabase's; they are the first ones."""
    found = owners(overall, own, switches)
    count = found.count("supabase")
    assert found == ["supabase"] * count + ["legacy"] * (BUCKETS - count)
    return count


@pytest.mark.parametrize(
    ("overall", "bucket", "expected"),
    [
        (flag("off", 0), 0, "legacy alone"),
        (flag("off", 100, is_enabled=True), 0, "legacy alone"),
        (flag("mirror", 0), 0, "legacy"),
        (flag("mirror", 100, is_enabled=True), 0, "legacy"),
        (flag("shadow", 0), 0, "legacy"),
        (flag("canary", 10), 999, "supabase"),
        (flag("canary", 10), 1000, "legacy"),
        (flag("canary", "0.07"), 6, "supabase"),
        (flag("canary", "0.07"), 7, "legacy"),
        (flag("canary", "99.99"), 9998, "supabase"),
        (flag("canary", "99.99"), 9999, "legacy"),
        (flag("canary", 10, is_enabled=False), 0, "legacy"),
        (flag("canary", 0), 0, "legacy"),
        (flag("live", 100, holdback_percent=Decimal(2)), 9799, "supabase"),
        (flag("live", 100, holdback_percent=Decimal(2)), 9800, "legacy"),
        (flag("live", 100), 9999, "supabase"),
        (flag("live", 100, is_enabled=False), 0, "legacy"),
        (flag("live", 0), 0, "legacy"),
        (flag("complete", 100), 9999, "supabase alone"),
        (flag("complete", 100, is_enabled=False), 0, "supabase alone"),
        (flag("complete", 0, is_enabled=False, holdback_percent=Decimal(2)), 9999, "supabase alone"),
    ],
)
def test_rows_of_the_table(overall: FeatureFlag, bucket: int, expected: str) -> None:
    found = plan(UNSET, overall, None, bucket)
    assert (found.owner, found.copy, found.reads_first) == NEW[expected]


@pytest.mark.parametrize("percent", ["0", "0.01", "0.07", "0.29", "10", "33.33", "57.99", "99.99"])
def test_a_share_is_exact_to_the_bucket(percent: str) -> None:
    assert share(flag("canary", percent)) == int(Decimal(percent) * 100)


@pytest.mark.parametrize(
    ("holdback", "environment", "expected"),
    [("0", None, 10_000), ("2", None, 9800), ("0.01", None, 9999), ("2", "50", 5000), ("2", "99", 9800)],
)
def test_a_holdback_stays_with_legacy(holdback: str, environment: str | None, expected: int) -> None:
    switches = Switches(percent=(environment and Decimal(environment)) or None)
    assert share(flag("live", 100, holdback_percent=Decimal(holdback)), None, switches) == expected


@pytest.mark.parametrize(
    ("enabled", "environment", "on", "percent", "expected"),
    [
        (None, None, True, 50, 50),
        (True, None, True, 50, 50),
        (False, None, True, 50, 0),
        (False, 100, True, 50, 0),
        (True, 10, True, 50, 10),
        (None, 10, True, 50, 10),
        (True, 90, True, 50, 50),
        (True, 90, False, 50, 0),
        (None, 0, True, 50, 0),
    ],
)
def test_the_effective_percent_is_the_smaller_of_two_that_are_on(
    enabled: bool | None, environment: int | None, on: bool, percent: int, expected: int
) -> None:
    switches = Switches(enabled=enabled, percent=None if environment is None else Decimal(environment))
    overall = flag("canary", percent, is_enabled=on)
    assert effective_percent(switches, overall, None) == expected
    assert share(overall, None, switches) == expected * 100


def test_a_type_s_row_stands_in_place_of_the_overall_one_but_not_when_that_is_off() -> None:
    own = flag("canary", 30, task_type="t")
    assert share(flag("canary", 10), own) == 3000
    assert share(flag("live", 100), replace(own, is_enabled=False)) == 0
    assert share(flag("live", 100), flag("mirror", 0, task_type="t")) == 0
    assert share(flag("canary", 10, is_enabled=False), own) == 0
    assert share(flag("canary", 10, is_enabled=False), flag("complete", 100, task_type="t")) == BUCKETS


@pytest.mark.parametrize(
    ("tenant", "lists", "stage", "percent", "bucket", "owner"),
    [
        ("a", {"supabase_tenants": ("a",)}, "canary", 10, 9999, "supabase"),
        ("a", {"legacy_tenants": ("a",)}, "canary", 10, 0, "legacy"),
        ("a", {"legacy_tenants": ("a",), "supabase_tenants": ("a",)}, "canary", 10, 0, "legacy"),
        ("b", {"legacy_tenants": ("a",)}, "canary", 10, 0, "supabase"),
        (None, {"legacy_tenants": ("a",)}, "canary", 10, 0, "supabase"),
        ("a", {"supabase_tenants": ("a",)}, "canary", 0, 0, "legacy"),
        ("a", {"supabase_tenants": ("a",), "is_enabled": False}, "canary", 10, 0, "legacy"),
        ("a", {"supabase_tenants": ("a",), "holdback_percent": Decimal(2)}, "live", 100, 9999, "supabase"),
        ("a", {"legacy_tenants": ("a",)}, "live", 100, 0, "legacy"),
        ("a", {"legacy_tenants": ("a",)}, "complete", 100, 0, "supabase"),
        ("a", {"supabase_tenants": ("a",), "is_enabled": True}, "mirror", 100, 0, "legacy"),
        ("a", {"supabase_tenants": ("a",), "is_enabled": True}, "off", 100, 0, "legacy"),
    ],
)
def test_tenants_are_pinned_while_there_are_two_owners(
    tenant: str | None, lists: dict[str, Any], stage: str, percent: int, bucket: int, owner: str
) -> None:
    assert plan(UNSET, flag(stage, percent, **lists), None, bucket, tenant).owner == owner


def test_a_type_s_own_lists_stand_in_place_of_the_overall_ones() -> None:
    overall = flag("canary", 10, legacy_tenants=("a",))
    assert plan(UNSET, overall, flag("canary", 10, task_type="t"), 0, "a").owner == "supabase"


def test_reads_go_by_the_bucket_since_an_id_tells_nothing_of_tenant_or_type() -> None:
    overall = flag("canary", 10, legacy_tenants=("a",))
    pinned = plan(UNSET, overall, None, 0, "a")
    assert (pinned.owner, pinned.reads_first) == ("legacy", "supabase")
    for bucket in (0, 999, 1000, 9999):
        assert reads_first(UNSET, overall, bucket) == plan(UNSET, overall, None, bucket).reads_first


def test_reads_are_refused_by_no_setting_and_without_a_flag_begin_at_legacy() -> None:
    assert reads_first(Switches(dual_write=False), flag("canary", 10), 0) == "supabase"
    assert reads_first(UNSET, None, 0) == "legacy"


@pytest.mark.parametrize(
    ("overall", "own", "runs"),
    [
        (flag("canary", 10), None, "all"),
        (flag("canary", 10, is_enabled=False), None, "nothing"),
        (flag("canary", 10, is_enabled=False), flag("canary", 10, task_type="t"), "nothing"),
        (flag("canary", 10), flag("canary", 10, task_type="t", is_enabled=False), "nothing"),
        (flag("canary", 0, is_enabled=False, drain=True), None, "held"),
        (flag("canary", 10, drain=True), None, "held"),
        (flag("mirror", 0), None, "nothing"),
        (flag("complete", 100), None, "all"),
        (flag("complete", 100, is_enabled=False), None, "nothing"),
    ],
)
def test_what_supabase_runs(overall: FeatureFlag, own: FeatureFlag | None, runs: str) -> None:
    assert plan(UNSET, overall, own, 0).supabase_runs == runs


def test_claims_do_not_see_the_environment() -> None:
    assert plan(Switches(enabled=False), flag("canary", 10), None, 0).supabase_runs == "all"


BOOLEANS = (None, True, False)
PERCENTS = (None, Decimal(0), Decimal(50), Decimal(100))


def refused_by_flag(stage: str, switches: Switches) -> set[str]:
    """The variables to be named, read off the table in the module's docstring; empty: accepted."""
    if stage in ("mirror", "shadow", "canary", "live"):
        return {DUAL_WRITE} if switches.dual_write is False else set()
    refused = {DUAL_WRITE} if switches.dual_write is True else set()
    if stage == "complete" and not refused:
        if switches.enabled is False:
            return {ENABLED}
        if switches.percent not in (None, 100):
            return {PERCENT}
    return refused


def refused_by_environment(switches: Switches) -> set[str]:
    given = {DUAL_WRITE: switches.dual_write, ENABLED: switches.enabled}
    if switches.enabled:
        given[PERCENT] = None if switches.percent is None else True
    missing = {name for name, value in given.items() if value is None}
    if missing:
        return missing
    stays_enabled = switches.enabled and switches.percent != 0
    return {DUAL_WRITE} if switches.dual_write is False and stays_enabled else set()


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize("stage", [stage.value for stage in Stage])
def test_every_combination_is_accepted_or_refused_by_name(stage: str, by_environment: bool) -> None:
    standing = flag(stage, 50, by_environment=by_environment)
    seen = 0
    for enabled, percent, dual_write in product(BOOLEANS, PERCENTS, BOOLEANS):
        if dual_write is False and percent == 50 and enabled is not False:
            continue  # refused by Switches itself: see test_switches
        switches = Switches(enabled=enabled, percent=percent, dual_write=dual_write)
        is_steered = by_environment and stage not in ("off", "complete")
        named = refused_by_environment(switches) if is_steered else refused_by_flag(stage, switches)
        seen += 1
        if not named:
            check_switches(switches, standing)
            plan(switches, standing, None, 0)
            continue
        with pytest.raises(ConfigurationError) as raised:
            plan(switches, standing, None, 0)
        assert all(name in str(raised.value) for name in named), (switches, str(raised.value))
        assert stage in str(raised.value)
    assert seen == 34


def test_a_refusal_names_the_type_whose_flag_it_is() -> None:
    with pytest.raises(ConfigurationError, match="'resize'"):
        plan(Switches(dual_write=False), flag("off", 0), flag("mirror", 0, task_type="resize"), 0)


@pytest.mark.parametrize(
    ("dual_write", "enabled", "percent", "stage", "supabase"),
    [
        (False, False, None, "off", 0),
        (False, False, 50, "off", 0),
        (False, True, 0, "off", 0),
        (True, False, None, "mirror", 0),
        (True, False, 50, "mirror", 0),
        (True, True, 0, "mirror", 0),
        (True, True, 10, "canary", 1000),
        (True, True, 100, "live", 10_000),
    ],
)
def test_the_environment_alone_steers_where_the_flag_says_so(
    dual_write: bool, enabled: bool, percent: int | None, stage: str, supabase: int
) -> None:
    opened = flag("live", 100, by_environment=True)
    switches = Switches(
        enabled=enabled, percent=None if percent is None else Decimal(percent), dual_write=dual_write
    )
    assert effective_stage(switches, opened) == stage
    assert share(opened, None, switches) == supabase
    copies = {plan(switches, opened, None, bucket).copy for bucket in range(0, BUCKETS, 100)}
    assert ("none" in copies) == (stage == "off")


@pytest.mark.parametrize(
    ("lowered", "stage", "supabase"),
    [
        (flag("live", 20, by_environment=True), "live", 2000),
        (flag("live", 0, by_environment=True, is_enabled=False), "live", 0),
        (flag("canary", 20, by_environment=True), "canary", 2000),
        (flag("mirror", 0, by_environment=True), "mirror", 0),
        (flag("shadow", 0, by_environment=True), "shadow", 0),
        (flag("live", 100, by_environment=True, holdback_percent=Decimal(2)), "live", 9800),
    ],
)
def test_the_flag_can_lower_what_the_environment_asks_for(
    lowered: FeatureFlag, stage: str, supabase: int
) -> None:
    asked = Switches(enabled=True, percent=Decimal(100), dual_write=True)
    assert effective_stage(asked, lowered) == stage
    assert share(lowered, None, asked) == supabase


def test_a_holdback_of_the_flag_holds_for_a_canary_by_environment_too() -> None:
    opened = flag("live", 100, by_environment=True, holdback_percent=Decimal(2))
    assert share(opened, None, Switches(enabled=True, percent=Decimal(99), dual_write=True)) == 9800


def test_by_environment_ends_with_the_cutover() -> None:
    done = flag("complete", 100, by_environment=True)
    assert plan(UNSET, done, None, 9999).owner == "supabase"
    with pytest.raises(ConfigurationError, match=DUAL_WRITE):
        plan(Switches(dual_write=True), done, None, 0)


@pytest.mark.parametrize(
    ("switches", "bucket", "expected"),
    [
        (UNSET, 0, None),
        (UNSET, 9999, None),
        (Switches(enabled=True), 9999, None),
        (Switches(enabled=False), 0, Plan("legacy", "inert_row", "legacy", "unknown")),
        (Switches(enabled=False, percent=Decimal(100)), 0, Plan("legacy", "inert_row", "legacy", "unknown")),
        (Switches(percent=Decimal("12.34")), 1233, None),
        (Switches(percent=Decimal("12.34")), 1234, Plan("legacy", "inert_row", "legacy", "unknown")),
        (Switches(percent=Decimal(0)), 0, Plan("legacy", "inert_row", "legacy", "unknown")),
        (Switches(percent=Decimal(0), dual_write=False), 0, Plan("legacy", "none", "legacy", "unknown")),
        (Switches(percent=Decimal(100), dual_write=True), 9999, None),
    ],
)
def test_without_a_flag_only_what_the_environment_denies_is_certain(
    switches: Switches, bucket: int, expected: Plan | None
) -> None:
    assert plan_without_flag(switches, bucket) == expected


def test_a_job_past_the_router_is_supabase_s_or_refused_or_released() -> None:
    overall = flag("canary", 10)
    assert plan_unrouted(overall, None, 0) == plan(UNSET, overall, None, 0)
    assert plan_unrouted(overall, None, 9999) is None
    assert plan_unrouted(flag("off", 0), None, 0) is None
    relayed = flag("canary", 10, relays_unrouted=True)
    assert plan_unrouted(relayed, None, 9999) == Plan("legacy", "release", "legacy", "all")
    assert plan_unrouted(flag("live", 100, by_environment=True), None, 9999) is not None


percents = st.integers(0, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
tenants = st.sampled_from([None, "a", "b", "c"])
lists = st.sets(st.sampled_from(["a", "b"])).map(tuple)
buckets = st.integers(0, BUCKETS - 1)


@st.composite
def any_flag(draw: st.DrawFn, task_type: str | None = None) -> FeatureFlag:
    return flag(
        draw(st.sampled_from(list(Stage))).value,
        draw(percents),
        task_type=task_type,
        is_enabled=draw(st.booleans()),
        holdback_percent=draw(percents),
        by_environment=draw(st.booleans()),
        supabase_tenants=draw(lists),
        legacy_tenants=draw(lists),
        drain=draw(st.booleans()),
    )


@st.composite
def any_switches(draw: st.DrawFn) -> Switches:
    percent = draw(st.none() | percents)
    is_share = percent is not None and 0 < percent < 100
    return Switches(
        enabled=draw(st.none() | st.booleans()),
        percent=percent,
        dual_write=draw(st.sampled_from([None, True]) if is_share else st.sampled_from(BOOLEANS)),
    )


own_flags = st.none() | any_flag("t")


def planned(
    switches: Switches, overall: FeatureFlag, own: FeatureFlag | None, bucket: int, tenant: str | None
) -> Plan | None:
    try:
        return plan(switches, overall, own, bucket, tenant)
    except ConfigurationError:
        return None


@given(any_switches(), any_flag(), own_flags, buckets, tenants)
def test_what_always_holds(
    switches: Switches, overall: FeatureFlag, own: FeatureFlag | None, bucket: int, tenant: str | None
) -> None:
    found = planned(switches, overall, own, bucket, tenant)
    if found is None:
        return
    governing = own or overall
    stage = effective_stage(switches, governing)
    if stage == "complete":
        assert (found.owner, found.copy) == ("supabase", "none")
    elif stage == "off":
        assert (found.owner, found.copy) == ("legacy", "none")
    else:
        assert found.copy == ("parked" if found.owner == "supabase" else "inert_row")
        if not (overall.is_enabled and governing.is_enabled) or switches.enabled is False:
            assert found.owner == "legacy"
        if tenant in governing.legacy_tenants:
            assert found.owner == "legacy"


@given(any_switches(), any_flag(), own_flags, buckets, tenants)
def test_the_environment_never_gives_supabase_what_the_flag_denies(
    switches: Switches, overall: FeatureFlag, own: FeatureFlag | None, bucket: int, tenant: str | None
) -> None:
    """Or enqueue_jobs_v1, which sees the flag alone, would answer flag_changed for ever."""
    found = planned(switches, overall, own, bucket, tenant)
    if found is not None and found.owner == "supabase":
        by_flag = plan_unrouted(overall, own, bucket, tenant)
        assert by_flag is not None
        assert by_flag.owner == "supabase"


@given(any_flag(), own_flags, buckets, tenants, percents, percents)
def test_lowering_either_percent_never_moves_a_job_to_supabase(
    overall: FeatureFlag,
    own: FeatureFlag | None,
    bucket: int,
    tenant: str | None,
    one: Decimal,
    other: Decimal,
) -> None:
    low, high = sorted((one, other))
    governing = replace(own or overall, by_environment=False)

    def owner(environment: Decimal, percent: Decimal) -> str | None:
        lowered = replace(governing, rollout_percent=percent)
        switches = Switches(percent=environment)
        found = planned(switches, lowered if own is None else overall, own and lowered, bucket, tenant)
        return None if found is None else found.owner

    for before, after in (
        (owner(high, Decimal(100)), owner(low, Decimal(100))),
        (owner(Decimal(100), high), owner(Decimal(100), low)),
    ):
        assert not (before == "legacy" and after == "supabase")
