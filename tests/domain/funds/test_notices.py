"""Notices of credit that expires: once per grant and step, however often and late the job runs."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.credit_grants import notices
from dashboard.domain.funds.ledger import NewGrant
from dashboard.domain.platform import verify
from dashboard.jobs import expiry as jobs
from dashboard.jobs import schedule
from dashboard.models import CreditGrant, Notice, Wallet
from tests.concurrency import at_once
from tests.factories import charge, make_org, wallet_of

END = datetime(2027, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def wallet(app_context: Flask) -> Wallet:
    """10 until END, given 100 days before it."""
    with clock.at(END - 100 * DAY):
        wallet = wallet_of(make_org(funds=5))
        give(wallet, 10, END, "first")
    return wallet


def give(wallet: Wallet, micros: int, until: datetime, key: str) -> None:
    ledger.post(
        wallet, type="admin_grant", amount=micros, origin="test", key=key, by=SYSTEM,
        slices=[NewGrant("promotional", key, micros, expires_at=until)],
    )  # fmt: skip


def run(days: float) -> list[tuple[str, int, int]]:
    """Run the job so long before END; all notices by then: category, step, amount."""
    with clock.at(END - days * DAY):
        for org_id in notices.due():
            jobs.notify(str(org_id))
        assert notices.due() == []
    return told()


def told() -> list[tuple[str, int, int]]:
    query = select(CreditGrant.category, Notice.step, Notice.amount)
    query = query.join(CreditGrant, CreditGrant.id == Notice.subject_id).order_by(Notice.id)
    return [(category, step, amount) for category, step, amount in db.session.execute(query)]


def test_there_is_one_notice_for_each_step(wallet: Wallet) -> None:
    assert run(30.01) == []
    first = ("first", 30, 10)
    assert [run(days) for days in (30, 30, 8, 7.01)] == [[first]] * 4
    with clock.at(END - 7 * DAY):
        charge(wallet, 4)
    second = ("first", 7, 6)
    assert [run(days) for days in (7, 2)] == [[first, second]] * 2
    third = ("first", 1, 6)
    assert [run(days) for days in (1, 0.1, 0, -5)] == [[first, second, third]] * 4
    assert [one for one in verify.broken(wallet.org_id) if one.check not in ("unsealed", "lapsed")] == []


def test_what_was_missed_is_not_told_later(wallet: Wallet) -> None:
    assert run(5) == [("first", 7, 10)]
    assert run(0.5) == [("first", 7, 10), ("first", 1, 10)]


def test_credit_that_is_spent_has_no_notice(wallet: Wallet) -> None:
    with clock.at(END - 50 * DAY):
        charge(wallet, 10)
        assert wallet.settled_seq == 0
    assert run(20) == []


def test_short_credit_has_no_notice_of_a_day_before_it_was_given(wallet: Wallet) -> None:
    run(30)
    with clock.at(END - 10 * DAY):
        give(wallet, 3, END, "short")
    assert run(10) == [("first", 30, 10)]
    assert run(7) == [("first", 30, 10), ("first", 7, 10), ("short", 7, 3)]


def test_many_at_once_write_it_once(app: Flask, wallet: Wallet) -> None:
    org_id = wallet.org_id

    def act(_: int) -> str:
        with clock.at(END - 3 * DAY):
            return str(notices.write(org_id))

    assert at_once(app, 12, act) == {"1": 1, "0": 11}
    assert told() == [("first", 7, 10)]


def test_the_schedule_asks_once_an_hour(wallet: Wallet) -> None:
    (due,) = (due for due, job in schedule.SCHEDULE if job == notices.JOB)
    for minutes, expected in ((0, [str(wallet.org_id)]), (30, [])):
        with clock.at(END - 3 * DAY + timedelta(minutes=minutes)):
            assert list(due()) == expected
