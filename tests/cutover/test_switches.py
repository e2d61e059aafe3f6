"""The environment's three switches: what counts as what, what wins, what is refused by name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from supaqueue.cutover.switches import DUAL_WRITE, ENABLED, PERCENT, Switches
from supaqueue.errors import ConfigurationError


def load(**environ: str) -> Switches:
    return Switches.load(environ, dotenv=None)


def test_what_is_not_set_takes_no_part() -> None:
    assert load() == Switches(enabled=None, percent=None, dual_write=None)
    assert load(**{ENABLED: "", PERCENT: "  ", DUAL_WRITE: ""}) == Switches()


@pytest.mark.parametrize("variable", [ENABLED, DUAL_WRITE])
@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("TRUE", True), (" True ", True), ("1", True), ("false", False), ("0", False)],
)
def test_truths(variable: str, text: str, value: bool) -> None:
    loaded = load(**{variable: text})
    assert (loaded.enabled if variable == ENABLED else loaded.dual_write) is value


@pytest.mark.parametrize("variable", [ENABLED, DUAL_WRITE])
@pytest.mark.parametrize("text", ["yes", "no", "on", "off", "t", "2", "-1", "10", "1.0", "tr\u0443e", "None"])
def test_nothing_else_is_a_truth(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        load(**{variable: text})


@pytest.mark.parametrize("text", ["0", "0.01", "0.07", "10", "12.5", "99.99", "100", "100.00", "007"])
def test_percents_are_exact(text: str) -> None:
    assert load(**{PERCENT: text}).percent == Decimal(text)


@pytest.mark.parametrize(
    "text",
    ["100.01", "101", "-1", "+1", "1e1", ".001", "10%", "ten", "nan", "inf", ".5", "5.", "1,5", "\u0661"],
)
def test_malformed_percents_are_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match=PERCENT):
        load(**{PERCENT: text})


@pytest.mark.parametrize("variable", [ENABLED, PERCENT, DUAL_WRITE])
def test_a_value_is_never_quoted_since_it_may_be_a_key_put_in_the_wrong_place(variable: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(**{variable: "sb_secret_7"})
    assert "sb_secret_7" not in str(raised.value)


@pytest.mark.parametrize(
    "percent", [Decimal("NaN"), Decimal("-0.01"), Decimal("100.01"), Decimal("0.005"), 5]
)
def test_a_percent_in_code_is_held_to_the_same(percent: Decimal) -> None:
    with pytest.raises(ConfigurationError, match=PERCENT):
        Switches(percent=percent)


def test_the_environment_wins_over_dotenv(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{ENABLED}=true\n{PERCENT}='10'\n")
    assert Switches.load({PERCENT: "2.5"}, dotenv) == Switches(enabled=True, percent=Decimal("2.5"))


def test_a_broken_dotenv_is_named(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"\xff\xfe=1")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        Switches.load({}, dotenv)


def test_a_share_without_copies_is_refused_naming_both() -> None:
    with pytest.raises(ConfigurationError, match=f"{PERCENT}.*{DUAL_WRITE}"):
        load(**{PERCENT: "50", DUAL_WRITE: "false"})
    with pytest.raises(ConfigurationError):
        load(**{PERCENT: "0.01", DUAL_WRITE: "false", ENABLED: "true"})


@pytest.mark.parametrize(
    "environ",
    [
        {PERCENT: "50", DUAL_WRITE: "false", ENABLED: "false"},
        {PERCENT: "0", DUAL_WRITE: "false"},
        {PERCENT: "100", DUAL_WRITE: "false", ENABLED: "true"},
        {PERCENT: "50", DUAL_WRITE: "true"},
        {PERCENT: "50"},
    ],
)
def test_no_share_or_no_word_of_copies_is_not_refused(environ: dict[str, str]) -> None:
    load(**environ)


def test_the_most_that_the_environment_allows() -> None:
    assert load().highest_percent == 100
    assert load(**{PERCENT: "7"}).highest_percent == 7
    assert load(**{PERCENT: "7", ENABLED: "0"}).highest_percent == 0
