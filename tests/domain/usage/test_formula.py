"""The price formula against exact fractions: any split of the units adds up to the price of the whole."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.domain.usage.pricing.formula import Formula, Tier

MILLION = 1_000_000
GRADUATED = (Tier(100, 20_000, 1), Tier(1_000, 10_000, 1), Tier(None, 1_500, 10))


@st.composite
def formulas(draw: st.DrawFn) -> Formula:
    amounts, per = st.integers(0, 10**9), st.integers(1, 10**7)
    free, kind = draw(st.integers(0, 2_000)), draw(st.sampled_from(["flat", "package", "graduated"]))
    if kind != "graduated":
        return Formula(kind, draw(amounts), draw(per), free_units=free)
    ends = sorted(draw(st.sets(st.integers(1, 10_000), max_size=4)))
    tiers = tuple(Tier(end, draw(amounts), draw(per)) for end in [*ends, None])
    return Formula(kind, tiers=tiers, free_units=free)


def exact(formula: Formula, units: int) -> Fraction:
    """The price by counting each unit, or each package, for itself."""
    paid = max(units - formula.free_units, 0)
    if formula.kind == "flat":
        return Fraction(formula.amount_micros, formula.per_units) * paid
    if formula.kind == "package":
        return Fraction(sum(formula.amount_micros for _ in range(0, paid, formula.per_units)))
    price = Fraction()
    for number in range(1, paid + 1):
        tier = next(one for one in formula.tiers if one.up_to is None or number <= one.up_to)
        price += Fraction(tier.amount_micros, tier.per_units)
    return price


@given(formulas(), st.lists(st.integers(1, 400), max_size=12))
def test_events_add_up_to_the_price_of_the_whole(formula: Formula, events: list[int]) -> None:
    position, charged = 0, 0
    for units in events:
        cost = formula.between(position, position + units)
        assert cost >= 0
        charged, position = charged + cost, position + units
    assert charged == formula.cost(position)
    assert abs(charged - exact(formula, position)) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("formula", "prices"),
    [
        (Formula("flat", 600), {0: 0, 1: 600, 1_000: 600_000}),
        (Formula("flat", 150_000, MILLION), {1: 0, 3: 0, 4: 1, MILLION: 150_000}),
        (Formula("flat", 20_000, free_units=250), {250: 0, 251: 20_000, 1_000: 15_000_000}),
        (Formula("package", 5_000_000, 1_000), {0: 0, 1: 5_000_000, 1_000: 5_000_000, 1_001: 10_000_000}),
        (
            Formula("graduated", tiers=GRADUATED),
            {100: 2_000_000, 101: 2_010_000, 1_000: 11_000_000, 1_001: 11_000_150},
        ),
        (Formula("flat", 0), {10**15: 0}),
    ],
)  # fmt: skip
def test_prices_at_the_edges(formula: Formula, prices: dict[int, int]) -> None:
    assert {units: formula.cost(units) for units in prices} == prices


def test_steps_explain_the_price() -> None:
    steps = Formula("graduated", tiers=GRADUATED, free_units=10).steps(1_020)
    assert [(step.units, step.amount_micros, step.per_units) for step in steps] == [
        (100, 20_000, 1), (900, 10_000, 1), (10, 1_500, 10),
    ]  # fmt: skip
    assert sum(step.micros for step in steps) == 11_001_500


@given(formulas(), st.integers(0, 3_000), st.integers(1, 3_000))
def test_the_parts_of_a_stretch_add_up_to_its_cost(formula: Formula, before: int, units: int) -> None:
    parts = formula.parts(before, before + units)
    assert [parts[0].start, *(part.end for part in parts)] == [*(part.start for part in parts), before + units]
    assert sum(part.micros for part in parts) == formula.between(before, before + units)
    for part in parts:
        free = part.end <= formula.free_units
        assert free == (part.start < formula.free_units)
        assert not free or (part.amount_micros, part.micros) == (0, 0)


def test_parts_are_cut_where_another_price_begins() -> None:
    formula = Formula("graduated", tiers=GRADUATED, free_units=50)
    found = [(one.start, one.end, one.amount_micros, one.per_units, one.micros) for one in formula.parts(40, 1_100)]
    assert found == [
        (40, 50, 0, 1, 0), (50, 150, 20_000, 1, 2_000_000), (150, 1_050, 10_000, 1, 9_000_000),
        (1_050, 1_100, 1_500, 10, 7_500),
    ]  # fmt: skip


@given(
    st.integers(0, 10**9), st.integers(1, 10**7), st.none() | st.integers(0, 10**7), st.none() | st.integers(0, 10**7),
    st.lists(st.integers(1, 10**9), min_size=1, max_size=8), st.randoms(),
)  # fmt: skip
def test_a_price_per_event_is_the_same_in_any_order(
    amount: int, per: int, least: int | None, span: int | None, events: list[int], chance: Random
) -> None:
    most = None if span is None else (least or 0) + span
    formula = Formula("per_event", amount, per, min_micros=least, max_micros=most)

    def charged(order: list[int]) -> list[tuple[int, int]]:
        position, costs = 0, []
        for units in order:
            costs.append((units, formula.between(position, position + units)))
            position += units
        return sorted(costs)

    shuffled = chance.sample(events, len(events))
    assert charged(events) == charged(shuffled) == sorted((units, formula.cost(units)) for units in events)
    for units, cost in charged(events):
        assert (least or 0) <= cost
        assert most is None or cost <= most
        plain = Fraction(amount * units, per)
        assert abs(cost - plain) <= Fraction(1, 2) or cost in (least, most)
        assert abs(formula.steps(units)[0].micros - cost) <= Fraction(1, 2)
