"""Purchases while Stripe times out, resets, answers 500 and 429 and breaks bodies at random, and half its webhooks are
lost: every payment ends credited once or honestly not, and nothing stays unknown."""

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest

from dashboard.domain.audit import Actor
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.payments.checkout.checkout import CheckoutRefused, ProviderAway
from dashboard.models import Organization, Payment
from dashboard.providers.base import ProviderError
from dashboard.providers.stripe import StripeProvider
from tests.scenarios.processes import Stack, wait_until
from tests.scenarios.purchases import Purchases
from tests.stripe_fake.signing import Json

SOAK_SECONDS = int(os.environ.get("COFFER_SOAK_SECONDS", "600"))
BUYERS, ORGANIZATIONS = 4, 50
FEWEST_PAID, PATIENCE_SECONDS = 3, 60
SETTLE_SECONDS = 60  # and as long again as was bought: the stand-in checks every session of a list
OPEN = "state IN ('created', 'unknown', 'pending')"
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "reset"},
    {"kind": "reset", "executed": True},
    {"kind": "timeout", "seconds": 0.3},
    {"kind": "timeout", "seconds": 0.3, "executed": True},
    {"kind": "timeout", "seconds": 6.0, "executed": True},  # longer than we wait
    {"kind": "error", "status": 500},  # kept with the idempotency key: it never gets another answer
    {"kind": "error", "status": 500, "executed": True},
    {"kind": "error", "status": 503},
    {"kind": "error", "status": 429},
    {"kind": "error", "status": 429, "executed": True},
    {"kind": "broken"},
    {"kind": "broken", "executed": True},
)


class Chaos:
    """Stripe's bad days: faults on about every third call, half of the webhooks lost, the others doubled."""

    def __init__(self, stack: Stack, rng: random.Random) -> None:
        self.stack, self.rng, self.fake = stack, rng, stack.stripe.fake
        self.struck: Counter[str] = Counter()
        self.told: list[Future[int]] = []
        self._stop = threading.Event()
        self._posters = ThreadPoolExecutor(4)

    @contextmanager
    def reigning(self) -> Iterator[None]:
        breaking = threading.Thread(target=self._break, daemon=True)
        self.fake.listeners.append(self._tell)
        breaking.start()
        try:
            yield
        finally:
            self._stop.set()
            breaking.join()
            self.fake.faults.clear()

    def end(self) -> None:
        """Waits for the webhooks on their way."""
        self.fake.listeners.remove(self._tell)
        self._posters.shutdown(wait=True)

    def _break(self) -> None:
        calls = 0
        while not self._stop.wait(0.005):
            seen = len(self.fake.calls)
            for _ in range(seen - calls):
                if self.rng.random() < 0.35:
                    fault = self.rng.choice(FAULTS)
                    self.fake.inject(**fault, times=self.rng.choice((1, 1, 2, 3)))
                    self.struck[f"{fault['kind']} {fault.get('status', '')}".strip()] += 1
            calls = seen

    def _tell(self, _: object, events: list[Json]) -> None:
        for event in events:
            if self.rng.random() < 0.5:
                copies = self.rng.choice((1, 2))
                self.told += [self._posters.submit(self.stack.deliver_until_taken, event) for _ in range(copies)]


class Buyers:
    """People who buy, try again, pay, pay later, are declined, or walk away; and what really happened at Stripe."""

    def __init__(self, purchases: Purchases, rng: random.Random) -> None:
        self.purchases, self.rng, self.fake = purchases, rng, purchases.fake
        # Over the wire, unlike the purchases's own: broken bodies and silence are the network's.
        self.provider = StripeProvider(api_key=purchases.stack.stripe_key, api_base=purchases.stack.stripe.url)
        self.provider.account_id()  # asked once per process: the faults are to strike purchases
        self.orgs = [purchases.org(f"Org {number}") for number in range(ORGANIZATIONS)]
        self.came: Counter[str] = Counter()

    def buy_until(self, end: float, number: int) -> None:
        """Until `end`, and on until somebody paid: a run in which nobody did proves nothing."""
        with self.purchases.app.app_context():
            for turn in range(10**9):
                late = time.monotonic() - end
                if late > 0 and (self.came["pay"] >= FEWEST_PAID or late > PATIENCE_SECONDS):
                    return
                self._buy(self.rng.choice(self.orgs), f"form-{number}-{turn}")
                time.sleep(self.rng.uniform(0.0, 0.1))

    def _buy(self, org: Organization, key: str) -> None:
        payment = None
        for _ in range(self.rng.choice((1, 1, 3))):  # some go away, some send the form again
            try:
                payment = self._ask(org, key)
                break
            except (ProviderAway, ProviderError):
                self.came["no page"] += 1
            except CheckoutRefused:
                self.came["refused"] += 1
                return
        if payment is not None and payment.session_id and payment.state == "pending":
            self._act(payment.session_id)

    def _ask(self, org: Organization, key: str) -> Payment:
        return checkout.open_checkout(
            checkout.Buyer(org, Actor("user"), "buyer@example.test"), self.purchases.offer, provider=self.provider,
            quantity=1, success_url=f"{self.purchases.stack.url}/ok",
            cancel_url=f"{self.purchases.stack.url}/no", key=key, body_hash=b"0" * 32,
        )  # fmt: skip

    def _act(self, session_id: str) -> None:
        deed = self.rng.choices(("pay", "settle", "fail", "decline", "leave"), (60, 10, 10, 10, 10))[0]
        self.came[deed] += 1
        if deed in ("settle", "fail"):
            self.fake.pay_later(session_id)
        if deed != "leave":
            getattr(self.fake, deed)(session_id)


@pytest.mark.parametrize("seconds", [4, pytest.param(SOAK_SECONDS, marks=pytest.mark.soak)], ids=["short", "soak"])
def test_every_payment_is_credited_once_or_honestly_not(stack: Stack, purchases: Purchases, seconds: int) -> None:
    seed = int(os.environ.get("SCENARIO_SEED", secrets.randbelow(10**6)))
    rng = random.Random(seed)
    print(f"seed {seed}", flush=True)
    stack.start()
    chaos, buyers = Chaos(stack, rng), Buyers(purchases, rng)
    with chaos.reigning(), ThreadPoolExecutor(BUYERS) as crowd:
        end = time.monotonic() + seconds
        done = [crowd.submit(buyers.buy_until, end, number) for number in range(BUYERS)]
        for one in done:
            one.result()
    chaos.end()
    with purchases.sql() as books:
        started = time.monotonic()
        _leave_the_rest(purchases)
        _settle(books, SETTLE_SECONDS + seconds)
        took = time.monotonic() - started
        faults = dict(chaos.struck)
        print(f"{dict(buyers.came)}; {chaos.struck.total()} faults {faults}; settled in {took:.0f} s")
        assert chaos.struck.total() > seconds, "hardly a fault: this run proves nothing"
        _require_the_truth(purchases, books)
    assert not purchases.fake.complaints


def _leave_the_rest(purchases: Purchases) -> None:
    """A day later: pages that nobody paid have expired, those that we know of and those that we do not."""
    for session in purchases.fake.account().newest("checkout.session"):
        if session["status"] == "open":
            purchases.fake.expire(session["id"])


def _settle(books: "psycopg.Connection[Any]", within: int) -> None:
    """Until nothing is open: the pauses are over at once, so that the sweep is not waited for."""

    def settled() -> bool:
        books.execute(f"UPDATE payments SET next_check_at = now() WHERE {OPEN} AND next_check_at > now()")
        books.execute("UPDATE inbox_events SET next_attempt_at = now() WHERE next_attempt_at > now()")
        [(left,)] = books.execute(f"SELECT count(*) FROM payments WHERE {OPEN}").fetchall()
        [(events,)] = books.execute(
            "SELECT count(*) FROM inbox_events WHERE state IN ('received', 'failed')"
        ).fetchall()
        return not left and not events

    with suppress(AssertionError):
        wait_until(settled, "", within, 0.5)


def _require_the_truth(purchases: Purchases, books: "psycopg.Connection[Any]") -> None:
    """What Stripe took is credited once; what it did not take is not, and says so."""
    ours = {str(org_id) for (org_id,) in books.execute("SELECT id FROM organizations").fetchall()}
    sessions = [one for one in purchases.fake.account().newest("checkout.session") if one["metadata"]["org_id"] in ours]
    paid = Counter(UUID(one["metadata"]["order_id"]) for one in sessions if one["payment_status"] == "paid")
    assert set(paid.values()) <= {1}, "somebody paid one form twice"
    found = books.execute("SELECT id, state, checks, session_id, problem FROM payments").fetchall()
    states = {id_: state for id_, state, *_ in found}
    assert paid, "nobody paid: this run proves nothing"
    wrong = [row for row in found if (row[1] == "credited") != (row[0] in paid)]
    assert not wrong, f"{len(wrong)} wrong, such as {wrong[:3]}"
    assert set(states.values()) <= {"credited", "expired", "failed"}
    assert set(paid) <= set(states)
    credited = books.execute("SELECT key, amount FROM transactions WHERE type = 'purchase'").fetchall()
    assert sorted(credited) == sorted((str(id_), purchases.credits) for id_ in paid)
    [(silent,)] = books.execute(
        "SELECT count(*) FROM payments WHERE state <> 'credited' AND coalesce(problem, '') = ''"
    ).fetchall()
    assert not silent, "a payment that came to nothing does not say why"
    [(parked,)] = books.execute("SELECT count(*) FROM inbox_events WHERE state = 'parked'").fetchall()
    assert not parked
    purchases.require_books_right()
