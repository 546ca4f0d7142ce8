"""The same money told by several mouths at once, and workers that die at the worst moments: credited once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from dashboard.core import queue
from dashboard.core.db import db
from dashboard.domain.payments import fulfil
from tests.scenarios.processes import Stack, kill, wait_until
from tests.scenarios.programs import at_once
from tests.scenarios.purchases import Purchases, Sale

CHECK = "dashboard.jobs.payments.check"
SESSION = "/checkout/sessions/"
# Another job may wait at the same lock: the event must have been taken up as well.
WAITING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
  AND EXISTS (SELECT FROM inbox_events WHERE attempts > 0)"""


def credited(purchases: Purchases, sale: Sale) -> bool:
    db.session.expire_all()
    return fulfil.find(sale.org_id, sale.payment_id).state == "credited"


def worked_off(purchases: Purchases) -> bool:
    with purchases.sql() as books:
        rows = books.execute("SELECT count(*) FROM inbox_events WHERE state <> 'processed'").fetchall()
    return rows == [(0,)]


def test_one_event_five_times_at_once(stack: Stack, purchases: Purchases) -> None:
    stack.start()
    sale = purchases.sell(purchases.org())
    answers = at_once([partial(stack.deliver, sale.events[0])] * 5)
    assert [answer.status_code for answer in answers] == [200] * 5
    wait_until(partial(credited, purchases, sale), "the credit")
    wait_until(partial(worked_off, purchases), "the inbox")
    with purchases.sql() as books:
        assert books.execute("SELECT deliveries FROM inbox_events").fetchall() == [(5,)]
    purchases.require_credited_once([sale])


def test_the_return_page_and_two_events_at_the_same_instant(stack: Stack, purchases: Purchases) -> None:
    """Both workers hold the provider's answer back, so that they act at the same moment."""
    stack.start()
    wait_until(lambda: len(stack.workers("work")) == 2, "two workers")
    sales = [purchases.sell(purchases.org(f"Org {number}")) for number in range(5)]
    stack.stripe.fake.inject("delay", times=1_000, method="GET", path=SESSION, seconds=0.1)
    for sale in sales:
        check = partial(ring, purchases, sale)
        at_once([check, check, *(partial(stack.deliver, event) for event in sale.events)])
    for sale in sales:
        wait_until(partial(credited, purchases, sale), "the credit")
    wait_until(partial(worked_off, purchases), "the inbox")
    purchases.require_credited_once(sales)


def ring(purchases: Purchases, sale: Sale) -> None:
    """What the return page does when its reader asks again."""
    with purchases.app.app_context():
        queue.enqueue(CHECK, str(sale.org_id), str(sale.payment_id))


@contextmanager
def held(purchases: Purchases, statement: str) -> Iterator[None]:
    """Hold a lock that the worker will run into; free again when the worker is dead."""
    with purchases.sql() as books, books.transaction():
        books.execute(statement.encode())
        yield


def during_the_question(stack: Stack, purchases: Purchases, sale: Sale) -> None:
    before = len(purchases.fake.calls)
    purchases.fake.inject("delay", method="GET", path=SESSION, seconds=1.0)
    stack.deliver(sale.events[0])
    wait_until(lambda: len(purchases.fake.calls) > before, "the worker's question")
    kill_busy(stack, purchases)


def run_into(lock: str, stack: Stack, purchases: Purchases, sale: Sale) -> None:
    with held(purchases, lock.format(org=sale.org_id)):
        stack.deliver(sale.events[0])
        with purchases.sql() as books:
            wait_until(lambda: books.execute(WAITING).fetchall() != [(0,)], "the worker at the lock", pause=0.01)
        kill_busy(stack, purchases)


def run_into_mark(stack: Stack, purchases: Purchases, sale: Sale) -> None:
    """The event's row is locked while the worker asks the provider: it credits, then cannot mark the event."""
    before = len(purchases.fake.calls)
    purchases.fake.inject("delay", method="GET", path=SESSION, seconds=0.5)
    stack.deliver(sale.events[0])
    wait_until(lambda: len(purchases.fake.calls) > before, "the worker's question", pause=0.01)
    with held(purchases, "SELECT 1 FROM inbox_events FOR UPDATE"), purchases.sql() as books:
        wait_until(lambda: books.execute(WAITING).fetchall() != [(0,)], "the worker at the lock", pause=0.01)
        assert credited(purchases, sale), "the credit stands before the event is marked"
        kill_busy(stack, purchases)


def kill_busy(stack: Stack, purchases: Purchases) -> None:
    """Kill the workers; one of them holds the event."""
    for pid in stack.workers("work"):
        kill(pid)


CRASHES: dict[str, Callable[[Stack, Purchases, Sale], None]] = {
    "while the provider is asked": during_the_question,
    "before the payment is locked": partial(run_into, "SELECT 1 FROM wallets WHERE org_id = '{org}' FOR UPDATE"),
    "posted, not committed": partial(run_into, "LOCK TABLE audit_entries IN SHARE MODE"),
    "credited, not marked": run_into_mark,
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_a_worker_killed_at_the_worst_moment(
    stack: Stack, purchases: Purchases, crash: Callable[[Stack, Purchases, Sale], None]
) -> None:
    stack.start()
    sale = purchases.sell(purchases.org())
    crash(stack, purchases, sale)
    wait_until(partial(credited, purchases, sale), "the credit")
    wait_until(partial(worked_off, purchases), "the inbox")
    with purchases.sql() as books:
        [(attempts,)] = books.execute("SELECT attempts FROM inbox_events").fetchall()
    assert attempts >= 2, "the kill did not hit the work on this event"
    purchases.require_credited_once([sale])
