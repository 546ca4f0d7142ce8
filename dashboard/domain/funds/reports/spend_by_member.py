"""Spend by member: charges by the user to whom each counts, from the newest rows of the organization only."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, select

from dashboard.core import clock, lists
from dashboard.core.db import db
from dashboard.models import SPENDING, ApiKey, Transaction, Wallet


@dataclass(frozen=True, slots=True)
class Spending:
    """Micros by user; None stands for commands and the system. Not `complete` if older rows were left out."""

    since: datetime
    micros: dict[UUID | None, int]
    complete: bool


def by_person(wallet: Wallet, *, days: int) -> Spending:
    """What each user's keys and tokens were charged on the last `days` UTC days, today among them, as in the reports of
    costs; among the newest 20,000 rows."""
    since = datetime.combine(clock.today() - timedelta(days=days - 1), time(), UTC)
    of_org = Transaction.org_id == wallet.org_id
    recent = lists.made_between(Transaction.id, since, None)
    # Rows from before `member_id` was written count to whoever has the key now.
    earlier = case((Transaction.actor_kind == "key", ApiKey.created_by), else_=Transaction.actor_id)
    person: ColumnElement[UUID | None] = func.coalesce(Transaction.member_id, earlier)
    key = and_(ApiKey.org_id == Transaction.org_id, ApiKey.id == Transaction.actor_id)
    query = (
        select(person, -func.sum(Transaction.amount))
        .select_from(Transaction)
        .outerjoin(ApiKey, key)
        .where(of_org, *recent, lists.newest(Transaction.id, of_org))
        .where(Transaction.wallet_id == wallet.id, Transaction.type.in_(SPENDING), Transaction.created_at >= since)
        .group_by(person)
    )
    rows = {who: int(micros) for who, micros in db.session.execute(query)}
    beyond = select(Transaction.id).where(of_org, *recent).order_by(Transaction.id.desc()).offset(lists.WINDOW)
    return Spending(since, rows, db.session.scalar(beyond.limit(1)) is None)
