"""How amounts read and how they are read in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.core.money import (
    LARGEST,
    MINUS,
    InvalidAmount,
    exact,
    from_minor,
    money,
    of_currency,
    parse_credits,
    plain_credits,
    plain_minor,
    signed,
)
from tests.amounts import BAD_AMOUNTS
from tests.each import each

amounts = st.integers(-(2**63), 2**63 - 1)


@each(
    ("minor", "currency", "shown", "plain"),
    [
        (2_000, "usd", "$20.00", "20.00"), (2_005, "eur", "20.05 EUR", "20.05"), (2_000, "jpy", "2000 JPY", "2000"),
        (1_234, "kwd", "1.234 KWD", "1.234"), (-5, "gbp", f"{MINUS}0.05 GBP", "-0.05"), (0, "chf", "0.00 CHF", "0.00"),
    ],
)  # fmt: skip
def test_a_providers_amount_is_shown_in_its_currency(minor: int, currency: str, shown: str, plain: str) -> None:
    assert (of_currency(minor, currency), plain_minor(minor, currency)) == (shown, plain)


def micros_in(shown: str) -> int:
    """The amount a text stands for, in micros."""
    sign = -1 if shown.startswith(MINUS) else 1
    whole, _, part = shown.lstrip(f"+{MINUS}").removeprefix("$").replace(",", "").partition(".")
    return sign * (int(whole) * 1_000_000 + int(part.ljust(6, "0")))


@each(
    ("micros", "shown"),
    [
        (0, "$0.00"),
        (41_827_346, "$41.82"),
        (41_830_000, "$41.83"),
        (600, "$0.0006"),
        (9_999, "$0.0099"),
        (10_000, "$0.01"),
        (100, "$0.0001"),
        (99, "$0.000099"),
        (1, "$0.000001"),
        (-3_110_000, "−$3.11"),
        (-3_110_001, "−$3.12"),
        (-1, "−$0.000001"),
        (-600, "−$0.0006"),
        (-601, "−$0.0007"),
        (1_234_567_890_000, "$1,234,567.89"),
        (2**63 - 1, "$9,223,372,036,854.77"),
        (-(2**63), "−$9,223,372,036,854.78"),
    ],
)
def test_money_floors_to_cents_and_keeps_what_is_below_one(micros: int, shown: str) -> None:
    assert money(micros) == shown


@each(
    ("micros", "shown"),
    [
        (0, "$0.00"),
        (25_000_000, "+$25.00"),
        (-18_100, "−$0.0181"),
        (-600, "−$0.0006"),
        (-99, "−$0.000099"),
        (1, "+$0.000001"),
        (500_000, "+$0.50"),
        (500_100, "+$0.5001"),
        (-1_234_567, "−$1.23"),
        (-1_000_000_000, "−$1,000.00"),
    ],
)
def test_signed_always_says_which_way(micros: int, shown: str) -> None:
    assert signed(micros) == shown


@each(
    ("micros", "shown"),
    [(0, "$0.000000"), (41_827_346, "$41.827346"), (-1, "−$0.000001"), (10**12, "$1,000,000.000000")],
)
def test_exact_has_six_decimals(micros: int, shown: str) -> None:
    assert exact(micros) == shown


@given(amounts)
def test_what_is_not_zero_never_reads_as_zero(micros: int) -> None:
    for shown in (money(micros), signed(micros), exact(micros)):
        assert (micros_in(shown) == 0) == (micros == 0)


@given(amounts)
def test_a_shown_balance_never_promises_more_than_there_is(micros: int) -> None:
    assert micros_in(money(micros)) <= micros
    assert micros - micros_in(money(micros)) < 10_000


@given(amounts)
def test_signed_is_cut_toward_zero_and_exact_is_exact(micros: int) -> None:
    assert abs(micros_in(signed(micros))) <= abs(micros)
    assert micros_in(exact(micros)) == micros


@given(amounts)
def test_the_sign_is_the_typographic_minus_and_plus_only_in_signed(micros: int) -> None:
    assert "-" not in money(micros) + signed(micros) + exact(micros)
    assert money(micros).startswith(MINUS) == (micros < 0) == signed(micros).startswith(MINUS)
    assert signed(micros).startswith("+") == (micros > 0)


@each(
    ("text", "micros"),
    [
        ("25", 25_000_000),
        ("0.000001", 1),
        ("0.5", 500_000),
        (" 12.34 ", 12_340_000),
        ("007", 7_000_000),
        ("999999999999.999999", 999_999_999_999_999_999),
    ],
)
def test_plain_decimals_are_read(text: str, micros: int) -> None:
    assert parse_credits(text) == micros <= LARGEST


@each("text", BAD_AMOUNTS)
def test_what_is_not_a_plain_amount_above_zero_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount) as refused:
        parse_credits(text, field="amount")
    assert (refused.value.field, refused.value.status, refused.value.code) == ("amount", 422, "invalid_amount")


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        micros = parse_credits(text)
    except InvalidAmount:
        return
    assert 0 < micros <= LARGEST


@given(st.integers(1, 10**18 - 1))
def test_what_exact_shows_can_be_typed_in_again(micros: int) -> None:
    assert parse_credits(exact(micros).removeprefix("$").replace(",", "")) == micros


@each(
    ("micros", "shown"),
    [(0, "0"), (25_000_000, "25"), (10_500_000, "10.5"), (1, "0.000001"), (-100_000, "-0.1"), (10**18, f"{10**12}")],
)
def test_plain_credits_are_exact_and_as_short_as_can_be(micros: int, shown: str) -> None:
    assert plain_credits(micros) == shown


@given(st.integers(0, 10**12))
def test_cents_are_ten_thousand_micros(cents: int) -> None:
    assert from_minor(cents) == cents * 10_000
