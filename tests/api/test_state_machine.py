"""Charges, usage, voids, holds, limits, grants and expiry in any order, by HTTP, against a small model in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dashboard.core import clock
from dashboard.domain.funds import expiry
from dashboard.domain.funds.holds import ending
from dashboard.domain.platform import verify
from tests import factories
from tests.api.conftest import Program
from tests.api.money_model import PRICES, Event, Grant, Hold, Model, price_of

NOON = datetime(2027, 1, 20, 12, tzinfo=UTC)
CREDIT = 1_000_000
HOLD_SECONDS = 600


class Wallet(RuleBasedStateMachine):
    """One organization per run. In some, credit expires; in the others, events are voided, because what a void gives
    back expires like the credit that paid."""

    amounts = st.sampled_from([1, 7, 18_100, 250_000, 400_000, 1_000_000])
    grant_amounts = st.sampled_from([300_000, CREDIT, 5 * CREDIT])

    def __init__(self, program: Program, manager: str) -> None:
        super().__init__()
        self.program, self.manager = program, manager
        self.now, self.numbers, self.model = NOON, count(1), Model()
        self.seen: list[tuple[str, str, dict[str, Any], int, dict[str, Any]]] = []
        self.unsettled = False

    @initialize(expiring=st.booleans(), limit=st.sampled_from([None, 900_000, 3 * CREDIT]))
    def open(self, expiring: bool, limit: int | None) -> None:
        self.expiring = expiring
        with self.clock():
            self.org = self.program.make(factories.make_org, f"Machine {next(self.numbers)}")
            scopes = ("wallet:read", "wallet:charge", "usage:write", "usage:read", "holds:write", "org:config")
            self.key = self.program.key(self.org, *scopes)
            if limit is not None:
                body = {"scope": "org", "window": "month", "amount_micros": limit}
                answer = self.program.post(f"/api/v1/orgs/{self.org.id}/limits", self.key, json=body)
                assert answer.status_code == 201, answer.get_json()
                self.limit_id, self.model.limit = answer.get_json()["id"], limit

    @rule(amount=grant_amounts, paid=st.booleans(), priority=st.integers(0, 2), days=st.integers(0, 9))
    def grant(self, amount: int, paid: bool, priority: int, days: int) -> None:
        body: dict[str, Any] = {
            "transaction_type": "admin_grant", "org_id": str(self.org.id), "amount_micros": amount,
            "category": "contract" if paid else "goodwill", "description": "For the machine", "priority": priority,
        }  # fmt: skip
        expires_at = None
        if self.expiring and days:
            last = self.now.date() + timedelta(days=days)
            body["expires_at"] = last.isoformat()
            expires_at = datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC)
        status, _ = self.post("/admin/api/v1/transactions", body, key=self.manager)
        assert status == 201
        self.settle()
        turn = (paid, priority, expires_at or datetime.max.replace(tzinfo=UTC), next(self.numbers))
        self.model.grants.append(Grant(amount, turn, expires_at))

    @rule(amount=amounts)
    def charge(self, amount: int) -> None:
        answer = self.post(self.path("wallet"), {"operation": "charge", "amount_micros": amount})
        if self.accepted(answer, 201, amount):
            self.model.spend(amount)
            self.model.count(amount, self.month)

    @rule(metric=st.sampled_from(sorted(PRICES)), units=st.sampled_from([1, 2, 3, 499, 501, 2_000]))
    def use(self, metric: str, units: int) -> None:
        answer = self.post(self.path("usage"), {"metric_key": metric, "units": units})
        self.settle()
        place = self.place(metric)
        before = self.model.positions.get(place, 0)
        cost = price_of(metric, before + units) - price_of(metric, before)
        if cost and not self.accepted(answer, 201, cost):
            return
        assert (answer[0], answer[1]["cost_micros"]) == (201, cost)
        self.model.positions[place] = before + units
        self.model.spend(cost)
        self.model.count(cost, self.month)
        self.model.events.append(Event(answer[1]["usage_event_id"], metric, units, place, cost, self.month))

    @rule(units=st.lists(st.integers(1, 12), min_size=2, max_size=6))
    def use_many(self, units: list[int]) -> None:
        events = [{"metric_key": "push", "units": one, "idempotency_key": self.fresh()} for one in units]
        with self.clock():
            answer = self.program.post(self.path("usage/batch"), self.key, json={"events": events})
        assert answer.status_code in (201, 207), answer.get_json()
        self.settle()
        place, full = self.place("push"), False
        for result, one in zip(answer.get_json()["data"], units, strict=True):
            cost = 60_000 * one
            codes = self.model.refusals(cost, self.month)
            full = full or bool(codes)
            if full:
                assert result["status"] not in ("recorded", "duplicate"), result
                continue
            assert (result["status"], result["cost_micros"]) == ("recorded", cost)
            self.model.positions[place] = self.model.positions.get(place, 0) + one
            self.model.spend(cost)
            self.model.count(cost, self.month)
            self.model.events.append(Event(result["usage_event_id"], "push", one, place, cost, self.month))

    @precondition(lambda self: not self.expiring and any(one.counted for one in self.model.events))
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from([one for one in self.model.events if one.counted]))
        path = self.path(f"usage/events/{event.id}/void")
        status, result = self.post(path, {"reason": "Sent twice"}, key=self.manager)
        assert status == 200, result
        self.settle()
        reached = self.model.positions[event.place]
        credited = price_of(event.metric, reached) - price_of(event.metric, reached - event.units)
        event.counted = False
        self.model.positions[event.place] = reached - event.units
        if credited:
            self.model.grants.append(Grant(credited, (True, next(self.numbers)), None))
        self.model.spent[event.month] = max(self.model.spent[event.month] - min(credited, event.cost), 0)

    @rule(amount=amounts)
    def hold(self, amount: int) -> None:
        answer = self.post(self.path("holds"), {"amount_micros": amount, "expires_in": HOLD_SECONDS})
        if self.accepted(answer, 201, amount):
            expires_at = self.now + timedelta(seconds=HOLD_SECONDS)
            self.model.holds.append(Hold(answer[1]["id"], amount, expires_at, self.month))
            self.model.count(amount, self.month)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), share=st.sampled_from([0.3, 1, 2]), above=st.booleans())
    def capture(self, data: st.DataObject, share: float, above: bool) -> None:
        hold = data.draw(st.sampled_from(self.model.holds))
        amount = max(int(hold.amount * share), 1)
        status, result = self.post(
            self.path(f"holds/{hold.id}/capture"), {"amount_micros": amount, "allow_above": above}
        )
        self.settle()
        if hold not in self.model.holds:
            assert (status, result["code"]) == (409, "hold_not_open")
        elif amount > hold.amount and not above:
            assert status == 422, result
        else:
            extra = max(amount - hold.amount, 0)
            codes = self.model.refusals(extra, self.month) if extra else set()
            if codes:
                assert (status, result["code"] in codes) == (402, True), result
                return
            assert (status, result["captured_micros"]) == (200, amount), result
            self.model.end(hold, captured=amount)
            self.model.count(extra, self.month)
            self.model.spend(amount)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), step=st.sampled_from(["release", "extend"]))
    def end_or_extend(self, data: st.DataObject, step: str) -> None:
        hold = data.draw(st.sampled_from(self.model.holds))
        status, result = self.post(self.path(f"holds/{hold.id}/{step}"), {})
        self.settle()
        if hold not in self.model.holds:
            assert (status, result["code"]) == (409, "hold_not_open")
            return
        assert status == 200, result
        if step == "release":
            self.model.end(hold)
        else:
            hold.expires_at = max(hold.expires_at, self.now + timedelta(seconds=HOLD_SECONDS))

    @precondition(lambda self: self.model.limit is not None)
    @rule(limit=st.sampled_from([500_000, 900_000, 2 * CREDIT, 10 * CREDIT]))
    def change_limit(self, limit: int) -> None:
        with self.clock():
            body = {"amount_micros": limit}
            answer = self.program.call("PATCH", self.path(f"limits/{self.limit_id}"), self.key, json=body)
        assert answer.status_code == 200, answer.get_json()
        self.model.limit = limit

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same request again, whatever happened since: the same answer, and nothing moves."""
        key, path, body, status, result = data.draw(st.sampled_from(self.seen))
        with self.clock():
            answer = self.program.post(path, key, json=body)
        assert answer.status_code == status, answer.get_json()
        again = answer.get_json()
        for name in ("transaction", "id", "usage_event_id", "cost_micros", "captured_micros"):
            assert again.get(name) == result.get(name), name

    @rule(minutes=st.sampled_from([1, 9, 11]))
    def wait(self, minutes: int) -> None:
        if (later := self.now + timedelta(minutes=minutes)).date() == self.now.date():
            self.now, self.unsettled = later, True

    @rule(days=st.sampled_from([1, 3, 8]))
    def let_days_pass(self, days: int) -> None:
        """Holds end before credit can expire, because they are shorter than the night."""
        self.now = (self.now + timedelta(days=days)).replace(hour=12, minute=0)
        self.unsettled = True

    @invariant()
    def the_wallet_is_as_the_model_says(self) -> None:
        """Except right after time has passed, so that the next request meets what has expired and was not cleared."""
        if not hasattr(self, "key") or self.unsettled:
            return
        with self.clock():
            for drain in (ending.drain, expiry.drain):
                self.program.make(drain, self.org.id)
            wallet = self.program.get(self.path("wallet"), self.key).get_json()
            assert (wallet["wallet_balance"], wallet["held_micros"]) == (self.model.balance, self.model.held)
            if self.model.limit is not None:
                limit = self.program.get(self.path(f"limits/{self.limit_id}"), self.key).get_json()
                assert limit["spent_micros"] == self.model.spent.get(self.month, 0)

    def teardown(self) -> None:
        if hasattr(self, "key"):
            with self.clock():
                assert self.program.make(verify.broken) == []

    @property
    def month(self) -> tuple[int, int]:
        return self.now.year, self.now.month

    def place(self, metric: str) -> tuple[str, str]:
        """A metric and the period in which its units add up."""
        starts = {"day": self.now.date().isoformat(), "month": f"{self.now:%Y-%m}"}
        return metric, starts.get(PRICES[metric].get("period", "none"), "")

    def path(self, tail: str) -> str:
        return f"/api/v1/orgs/{self.org.id}/{tail}"

    def fresh(self) -> str:
        return f"key-{next(self.numbers)}"

    @contextmanager
    def clock(self) -> Iterator[None]:
        with clock.at(self.now):
            yield

    def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> tuple[int, dict[str, Any]]:
        body, key = body | {"idempotency_key": self.fresh()}, key or self.key
        if "/void" in path:
            del body["idempotency_key"]
        with self.clock():
            answer = self.program.post(path, key, json=body)
        result = answer.get_json()
        if answer.status_code in (200, 201):
            self.seen.append((key, path, body, answer.status_code, result))
        return answer.status_code, result

    def settle(self) -> None:
        """A request was made at this time: what has expired is gone."""
        self.unsettled = False
        self.model.pass_time(self.now)

    def accepted(self, answer: tuple[int, dict[str, Any]], status: int, amount: int) -> bool:
        """Whether the request was to be accepted; it must have been answered so."""
        self.settle()
        codes = self.model.refusals(amount, self.month)
        if not codes:
            assert answer[0] == status, answer
            return True
        assert (answer[0], answer[1]["code"] in codes) == (402, True), (answer, codes)
        return False


@pytest.fixture
def machine(program: Program) -> partial[Wallet]:
    manager = program.manager_token("platform:read", "platform:grant", "prices:write", "usage:void")
    with clock.at(NOON - timedelta(days=1)):
        for metric, price in PRICES.items():
            program.make(factories.make_metric, metric, **price)
    return partial(Wallet, program, manager)


QUICK = settings(max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=300, stateful_step_count=50)


def test_any_order_of_requests_leaves_what_the_model_says(machine: partial[Wallet]) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.soak
def test_many_orders_of_requests_leave_what_the_model_says(machine: partial[Wallet]) -> None:
    run_state_machine_as_test(machine, settings=LONG)
