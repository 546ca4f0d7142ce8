"""How many requests may wait for the provider: the rest, and those after one that waited in vain, fail at once."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest
from flask import Flask

from dashboard.providers.admission import MOST_WAITING, Admission
from dashboard.providers.base import ProviderBusy, ProviderRefused, ProviderUnavailable


def fail(admission: Admission, error: Exception) -> None:
    with pytest.raises(type(error)), admission.call():
        raise error


def test_no_more_than_the_bound_are_inside_at_once(app: Flask) -> None:
    admission, go, inside = Admission(), threading.Event(), threading.Semaphore(0)

    def ask(_: int) -> str:
        with app.test_request_context():
            try:
                with admission.call():
                    inside.release()
                    go.wait(30)
            except ProviderBusy:
                return "busy"
            return "asked"

    with ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(ask, number) for number in range(16)]
        assert all(inside.acquire(timeout=30) for _ in range(MOST_WAITING))
        assert len(list(islice(as_completed(waiting, timeout=30), 16 - MOST_WAITING))) == 16 - MOST_WAITING
        go.set()
    assert sorted(one.result() for one in waiting) == ["asked"] * MOST_WAITING + ["busy"] * (16 - MOST_WAITING)


def test_calls_of_a_flow_take_no_other_place(app: Flask) -> None:
    admission, asked = Admission(), 0
    with app.test_request_context():
        for _ in range(MOST_WAITING + 1):
            with admission.flow(), admission.flow():
                for _ in range(MOST_WAITING + 1):
                    with admission.call():
                        asked += 1
    assert asked == (MOST_WAITING + 1) ** 2


def test_after_a_call_that_waited_in_vain_nobody_asks_for_a_while(app: Flask) -> None:
    admission = Admission(slow_seconds=0)
    with app.test_request_context():
        fail(admission, ProviderUnavailable("silence"))
        with pytest.raises(ProviderBusy), admission.call():
            pytest.fail("asked")
        with pytest.raises(ProviderBusy), admission.flow():
            pytest.fail("asked")


def test_a_quick_failure_or_a_refusal_keeps_nobody_from_asking(app: Flask) -> None:
    with app.test_request_context():
        quick = Admission(slow_seconds=60)
        fail(quick, ProviderUnavailable("reset"))
        refused = Admission(slow_seconds=0)
        fail(refused, ProviderRefused("no"))
        asked = 0
        with quick.call(), refused.call():
            asked += 1
    assert asked == 1


def test_workers_are_not_counted(app: Flask) -> None:
    admission = Admission(slow_seconds=0)
    with app.app_context():
        fail(admission, ProviderUnavailable("silence"))
        for _ in range(MOST_WAITING + 1):
            admission.flow().__enter__()
        asked = 0
        with admission.call():
            asked += 1
    assert asked == 1
