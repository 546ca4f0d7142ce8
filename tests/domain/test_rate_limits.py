"""Limits of attempts: the wait that is told is the true one."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.ids import new
from dashboard.domain import rate_limits
from dashboard.domain.rate_limits import Limit


@pytest.mark.usefixtures("app_context")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(most=st.integers(1, 6), pauses=st.lists(st.integers(0, 900), min_size=3, max_size=12))
def test_who_waits_as_told_gets_through_and_who_waits_less_does_not(most: int, pauses: list[int]) -> None:
    limit, subject, now = Limit("test", most, 600), str(new()), clock.now()

    def wait(after: float) -> int | None:
        """The answer to an attempt at that moment, which counts only if it is within the limit."""
        with clock.at(now + timedelta(seconds=after)), transaction():
            return rate_limits.spent(limit, subject)

    at = 0
    for pause in [*pauses, 0, 0, 0, 0, 0, 0, 0]:
        at += pause
        told = wait(at)
        if told is None:
            with clock.at(now + timedelta(seconds=at)), transaction():
                assert rate_limits.exceeded(limit, subject) is None
            continue
        assert told <= 2 * limit.seconds
        assert wait(at + told + 1) is None
        assert told <= 2 or wait(at + told - 2) is not None


@pytest.mark.usefixtures("app_context")
def test_a_refused_attempt_is_told_when_the_next_one_will_do() -> None:
    limit, now = Limit("test", 3, 600), clock.now()

    def attempt(after: float) -> int | None:
        with clock.at(now + timedelta(seconds=after)), transaction():
            return rate_limits.exceeded(limit, "x")

    assert [attempt(0) for _ in range(3)] == [None] * 3
    told = attempt(0)
    assert told is not None
    assert attempt(told + 1) is None
