"""Durable work on one sample kind (mails): claimed once, repeated with pauses, parked, taken over from the dead."""

import signal
import subprocess
import sys
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from dashboard.core import clock, ids
from dashboard.core.db import autocommit, db, in_transaction, transaction
from dashboard.core.work_queue import ORGS_AT_ONCE, Claim, Outcome, WorkQueue, backoff
from dashboard.models import OutboxEmail
from tests.factories import make_org
from tests.servers import ROOT, Servers

WORK = WorkQueue(
    OutboxEmail,
    job="dashboard.jobs.outbox.drain",
    open_states=("waiting", "failed"),
    due_at=OutboxEmail.next_attempt_at,
    attempts=OutboxEmail.attempts,
)
WAITED = text("""UPDATE outbox_emails SET next_attempt_at = now() - make_interval(mins => :minutes)
WHERE org_id = :org""")
DONE = Outcome({"state": "sent"})
MOST = 3

KILLED = """
import os, signal, sys
from uuid import UUID
from dashboard import create_app
from tests.core.test_work_queue import WORK
with create_app().app_context():
    WORK.drain(UUID(sys.argv[1]), lambda row, claim: os.kill(os.getpid(), signal.SIGKILL), claim_seconds=60)
"""


def owe(org_id: UUID, key: str = "k") -> UUID:
    row = OutboxEmail(org_id=org_id, id=ids.new(), key=key, event="sample", to_address="a@example.test", context={})
    with transaction(org=org_id) as session:
        session.add(row)
    return row.id


def row_of(org_id: UUID) -> OutboxEmail:
    return db.session.query(OutboxEmail).filter_by(org_id=org_id).populate_existing().one()


def pass_time() -> None:
    """The claims and pauses of all rows are over, on the database's clock."""
    autocommit().execute(text("UPDATE outbox_emails SET next_attempt_at = now() - interval '1 second'"))


def drain(org_id: UUID, outcome: Outcome = DONE) -> list[int]:
    """The attempts that were made, by their numbers."""
    seen: list[int] = []

    def attempt(row: OutboxEmail, claim: Claim) -> Outcome:
        assert not in_transaction()
        seen.append(claim.attempt)
        return outcome

    WORK.drain(org_id, attempt, claim_seconds=60)
    return seen


@pytest.fixture
def org_id(app_context: Flask) -> UUID:
    return make_org().id


def test_due_rows_are_worked_on_once_those_that_waited_longest_first(org_id: UUID) -> None:
    rows = [owe(org_id, f"k{number}") for number in range(3)]
    order: list[UUID] = []

    def attempt(row: OutboxEmail, _: Claim) -> Outcome:
        order.append(row.id)
        return DONE

    assert WORK.due() == [org_id]
    assert not WORK.drain(org_id, attempt, claim_seconds=60)
    assert order == rows
    assert WORK.due() == []
    assert drain(org_id) == []


def test_a_claimed_row_is_nobody_elses_until_the_claim_runs_out(org_id: UUID) -> None:
    owe(org_id)
    first = WORK.claim(org_id, seconds=60)
    assert first
    assert WORK.due() == []
    assert WORK.claim(org_id, seconds=60) is None
    pass_time()
    second = WORK.claim(org_id, seconds=60)
    assert second
    assert (second.id, second.attempt) == (first.id, 2)
    with transaction(org=org_id):
        assert not WORK.finish(org_id, first, DONE)
    assert row_of(org_id).state == "waiting"
    with transaction(org=org_id):
        assert WORK.finish(org_id, second, DONE)
    assert row_of(org_id).state == "sent"


@pytest.mark.slow
def test_what_a_killed_worker_had_claimed_is_taken_over(org_id: UUID, servers: Servers) -> None:
    owe(org_id)
    environ = servers.environ(PYTHONPATH=str(ROOT))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(org_id)], env=environ, cwd=ROOT, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert WORK.due() == []
    pass_time()
    assert WORK.due() == [org_id]
    assert drain(org_id) == [2]


def test_a_failed_row_waits_for_its_pause(org_id: UUID) -> None:
    owe(org_id)
    assert drain(org_id, Outcome({"state": "failed"}, pause=300)) == [1]
    assert WORK.due() == []
    waits = row_of(org_id).next_attempt_at
    assert waits
    assert 250 < (waits - clock.now()).total_seconds() < 350
    pass_time()
    assert drain(org_id) == [2]
    assert row_of(org_id).state == "sent"


def test_pauses_double_up_to_the_longest() -> None:
    assert [backoff(attempt, first=15, longest=100) for attempt in (1, 2, 3, 4, 99)] == [15, 30, 60, 100, 100]


def test_a_row_whose_attempts_are_used_up_is_parked_and_repeated_by_hand(org_id: UUID) -> None:
    owe(org_id)

    def attempt(row: OutboxEmail, claim: Claim) -> Outcome:
        over = claim.attempt >= MOST
        return Outcome({"state": "parked" if over else "failed"}, pause=None if over else 1)

    for _ in range(MOST + 1):
        WORK.drain(org_id, attempt, claim_seconds=60)
        pass_time()
    assert (row_of(org_id).state, row_of(org_id).attempts) == ("parked", MOST)
    assert WORK.due() == []
    with transaction(org=org_id):
        WORK.repeat(row_of(org_id), state="waiting")
    assert WORK.due() == [org_id]
    assert drain(org_id) == [1]


def test_an_attempt_that_could_not_begin_is_given_back_and_ends_the_drain(org_id: UUID) -> None:
    for number in range(2):
        owe(org_id, f"k{number}")
    assert drain(org_id, Outcome({"state": "failed"}, pause=60, stop=True, counts=False)) == [1]
    assert [row.attempts for row in db.session.query(OutboxEmail).filter_by(org_id=org_id)] == [0, 0]


def test_a_row_that_is_asked_for_again_meanwhile_is_not_finished_over(org_id: UUID) -> None:
    owe(org_id)

    def attempt(row: OutboxEmail, claim: Claim) -> Outcome:
        if claim.attempt == 1:
            pass_time()
        return DONE

    WORK.drain(org_id, attempt, claim_seconds=60)
    assert (row_of(org_id).state, row_of(org_id).attempts) == ("sent", 2)


def test_a_row_that_is_closed_meanwhile_stays_closed(org_id: UUID) -> None:
    """Such as a mail to a person who is erased while it is being sent."""
    owe(org_id)

    def attempt(row: OutboxEmail, _: Claim) -> Outcome:
        with transaction(org=org_id):
            row.state = "dismissed"
        return Outcome({"state": "failed"}, pause=1)

    WORK.drain(org_id, attempt, claim_seconds=60)
    assert row_of(org_id).state == "dismissed"


def test_what_raises_stays_claimed(org_id: UUID) -> None:
    owe(org_id)

    def attempt(row: OutboxEmail, claim: Claim) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        WORK.drain(org_id, attempt, claim_seconds=60)
    assert WORK.due() == []
    pass_time()
    assert WORK.due() == [org_id]


def test_a_look_names_the_organizations_that_waited_longest(org_id: UUID) -> None:
    orgs = [make_org(f"Org {number}").id for number in range(ORGS_AT_ONCE + 2)]
    for number, one in enumerate(orgs):
        owe(one)
        autocommit().execute(WAITED, {"org": one, "minutes": number})
    assert WORK.due() == orgs[:1:-1]
