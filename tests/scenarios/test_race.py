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
from tests.scenarios.till import Sale, Till

CHECK = "dashboard.jobs.payments.check"
SESSION = "/checkout/sessions/"
# Another job may wait at the same lock: the event must have been taken up as well.
WAITING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
  AND EXISTS (SELECT FROM inbox_events WHERE attempts > 0)"""


def credited(till: Till, sale: Sale) -> bool:
    db.session.expire_all()
    return fulfil.find(sale.org_id, sale.payment_id).state == "credited"


def worked_off(till: Till) -> bool:
    with till.sql() as books:
        rows = books.execute("SELECT count(*) FROM inbox_events WHERE state <> 'processed'").fetchall()
    return rows == [(0,)]


def test_one_event_five_times_at_once(stack: Stack, till: Till) -> None:
    stack.start()
    sale = till.sell(till.org())
    answers = at_once([partial(stack.deliver, sale.events[0])] * 5)
    assert [answer.status_code for answer in answers] == [200] * 5
    wait_until(partial(credited, till, sale), "the credit")
    wait_until(partial(worked_off, till), "the inbox")
    with till.sql() as books:
        assert books.execute("SELECT deliveries FROM inbox_events").fetchall() == [(5,)]
    till.require_credited_once([sale])


def test_the_return_page_and_two_events_at_the_same_instant(stack: Stack, till: Till) -> None:
    """Both workers hold the provider's answer back, so that they act at the same moment."""
    stack.start()
    wait_until(lambda: len(stack.workers("work")) == 2, "two workers")
    sales = [till.sell(till.org(f"Org {number}")) for number in range(5)]
    stack.stripe.fake.inject("delay", times=1_000, method="GET", path=SESSION, seconds=0.1)
    for sale in sales:
        check = partial(ring, till, sale)
        at_once([check, check, *(partial(stack.deliver, event) for event in sale.events)])
    for sale in sales:
        wait_until(partial(credited, till, sale), "the credit")
    wait_until(partial(worked_off, till), "the inbox")
    till.require_credited_once(sales)


def ring(till: Till, sale: Sale) -> None:
    """What the return page does when its reader asks again."""
    with till.app.app_context():
        queue.enqueue(CHECK, str(sale.org_id), str(sale.payment_id))


@contextmanager
def held(till: Till, statement: str) -> Iterator[None]:
    """Hold a lock that the worker will run into; free again when the worker is dead."""
    with till.sql() as books, books.transaction():
        books.execute(statement.encode())
        yield


def during_the_question(stack: Stack, till: Till, sale: Sale) -> None:
    before = len(till.fake.calls)
    till.fake.inject("delay", method="GET", path=SESSION, seconds=1.0)
    stack.deliver(sale.events[0])
    wait_until(lambda: len(till.fake.calls) > before, "the worker's question")
    kill_busy(stack, till)


def run_into(lock: str, stack: Stack, till: Till, sale: Sale) -> None:
    with held(till, lock.format(org=sale.org_id)):
        stack.deliver(sale.events[0])
        with till.sql() as books:
            wait_until(lambda: books.execute(WAITING).fetchall() != [(0,)], "the worker at the lock", pause=0.01)
        kill_busy(stack, till)


def run_into_mark(stack: Stack, till: Till, sale: Sale) -> None:
    """The event's row is locked while the worker asks the provider: it credits, then cannot mark the event."""
    before = len(till.fake.calls)
    till.fake.inject("delay", method="GET", path=SESSION, seconds=0.5)
    stack.deliver(sale.events[0])
    wait_until(lambda: len(till.fake.calls) > before, "the worker's question", pause=0.01)
    with held(till, "SELECT 1 FROM inbox_events FOR UPDATE"), till.sql() as books:
        wait_until(lambda: books.execute(WAITING).fetchall() != [(0,)], "the worker at the lock", pause=0.01)
        assert credited(till, sale), "the credit stands before the event is marked"
        kill_busy(stack, till)


def kill_busy(stack: Stack, till: Till) -> None:
    """Kill the workers; one of them holds the event."""
    for pid in stack.workers("work"):
        kill(pid)


CRASHES: dict[str, Callable[[Stack, Till, Sale], None]] = {
    "while the provider is asked": during_the_question,
    "before the payment is locked": partial(run_into, "SELECT 1 FROM wallets WHERE org_id = '{org}' FOR UPDATE"),
    "posted, not committed": partial(run_into, "LOCK TABLE audit_entries IN SHARE MODE"),
    "credited, not marked": run_into_mark,
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_a_worker_killed_at_the_worst_moment(
    stack: Stack, till: Till, crash: Callable[[Stack, Till, Sale], None]
) -> None:
    stack.start()
    sale = till.sell(till.org())
    crash(stack, till, sale)
    wait_until(partial(credited, till, sale), "the credit")
    wait_until(partial(worked_off, till), "the inbox")
    with till.sql() as books:
        [(attempts,)] = books.execute("SELECT attempts FROM inbox_events").fetchall()
    assert attempts >= 2, "the kill did not hit the work on this event"
    till.require_credited_once([sale])
