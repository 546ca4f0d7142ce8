"""Deliveries in parallel, doubled and shuffled, while the workers are killed all the time: each payment once."""

import os
import random
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.scenarios.processes import Stack, kill
from tests.scenarios.purchases import Purchases, deliveries

COPIES = 5
ORGANIZATIONS = 5
ROUNDS_PER_KILL = 10
PROVIDER_SECONDS = 0.05
"""How long Stripe thinks: most kills of a busy worker then land between its question and the credit."""

VICTIMS = ["work"] * 7 + ["tick"] * 2 + ["schedule"] * 2 + ["website", "supervisor"]
"""A round of kills, in random order."""

UNFINISHED = "SELECT count(*) FROM inbox_events WHERE state NOT IN ('processed', 'ignored')"
# A claim counts up `attempts`, its end writes a try: the difference died with its worker.
LOST = "SELECT (SELECT coalesce(sum(attempts), 0) FROM inbox_events) - (SELECT count(*) FROM inbox_tries)"


@pytest.mark.parametrize(
    ("payments", "kills"), [(100, 200), pytest.param(1_000, 2_000, marks=pytest.mark.soak)], ids=["100", "1000"]
)
def test_each_payment_is_credited_once(stack: Stack, purchases: Purchases, payments: int, kills: int) -> None:
    seed = int(os.environ.get("SCENARIO_SEED", secrets.randbelow(10**6)))
    rng = random.Random(seed)
    stack.start()
    orgs = [purchases.org(f"Org {number}") for number in range(ORGANIZATIONS)]
    sales = [purchases.sell(orgs[number % ORGANIZATIONS]) for number in range(payments)]
    stack.stripe.fake.inject("delay", times=10**9, method="GET", path="/checkout/sessions/", seconds=PROVIDER_SECONDS)
    told = deliveries(sales, COPIES, rng)
    with ThreadPoolExecutor(8) as posters, purchases.sql() as books:
        taken = [posters.submit(stack.deliver_until_taken, event) for event in told]
        killed = _kill_until_done(stack, books, len({event["id"] for event in told}), rng, kills)
        assert sum(one.result() for one in taken) >= len(told)
        [(lost,)] = books.execute(LOST).fetchall()
    print(f"seed {seed}: {dict(killed)} killed, {lost} of them while they held a payment")
    assert killed.total() > 0, "nothing was killed: this run proves nothing"
    assert lost > 0, "no kill hit a worker that held a payment: this run proves nothing"
    purchases.require_credited_once(sales)


def _kill_until_done(
    stack: Stack, books: "psycopg.Connection[tuple[int, ...]]", events: int, rng: random.Random, most: int
) -> Counter[str]:
    """Kill something every now and then until all events are worked off, at the latest after `most` kills. A busy
    machine starts workers more slowly, and so kills fewer of them in the same time."""
    kills: Counter[str] = Counter()
    left: list[str] = []
    for _ in range(ROUNDS_PER_KILL * most):
        if not _left(books, events):
            return kills
        assert kills.total() < most, f"{_left(books, events)} events left after {dict(kills)}"
        time.sleep(rng.uniform(0.2, 1.0))
        if not left:
            left = rng.sample(VICTIMS, len(VICTIMS))
        name = left.pop()
        if victims := _victims(stack, name):
            kill(rng.choice(victims))
            kills[name] += 1
        if not stack.worker.running:
            stack.worker.start()
    raise AssertionError(f"{_left(books, events)} events left, and nothing to kill any more: {dict(kills)}")


def _victims(stack: Stack, name: str) -> list[int]:
    if name == "supervisor":
        return [stack.worker.pid] if stack.workers() else []  # one that only just starts is left alone
    return stack.web_workers() if name == "website" else stack.workers(name)


def _left(books: "psycopg.Connection[tuple[int, ...]]", events: int) -> int:
    """Events that did not arrive yet or are not worked off."""
    [(arrived,)] = books.execute("SELECT count(*) FROM inbox_events").fetchall()
    [(unfinished,)] = books.execute(UNFINISHED).fetchall()
    return events - arrived + unfinished
