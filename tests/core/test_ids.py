"""Row ids keep the order in which a process made them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from dashboard.core import clock, ids

THREADS, EACH = 5, 2_000


def many(_: int = 0) -> list[UUID]:
    return [ids.new() for _ in range(EACH)]


def test_ids_of_several_threads_are_unique_and_increase_in_each() -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        made = list(threads.map(many, range(THREADS)))
    assert len({one for found in made for one in found}) == THREADS * EACH
    for found in made:
        assert all(earlier < later for earlier, later in pairwise(found))


def test_ids_of_one_millisecond_increase() -> None:
    with clock.at(clock.now()):
        made = many()
    assert all(earlier < later for earlier, later in pairwise(made))
    assert len({one.int >> 80 for one in made}) == 1
    assert {(one.version, one.variant) for one in made} == {(7, made[0].variant)}


def test_ids_made_together_are_like_those_made_one_by_one() -> None:
    with clock.at(clock.now()):
        made = [ids.new(), *ids.many(1_000), ids.new()]
    assert all(earlier < later for earlier, later in pairwise(made))
    assert {(one.version, one.variant) for one in made} == {(7, made[0].variant)}
    assert ids.many(0) == []


def test_ids_follow_the_clock_and_stand_above_the_bound_of_their_moment() -> None:
    now = clock.now()
    with clock.at(now - timedelta(days=90)):
        old = ids.new()
    with clock.at(now):
        new = ids.new()
    assert old < ids.lowest(now) <= new < ids.lowest(now + timedelta(milliseconds=1))
