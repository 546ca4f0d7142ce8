"""Spend limits as people and programs manage them: of the organization, its members, its apps and its keys."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, tuple_

from dashboard.core import clock, ids
from dashboard.core.db import db
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.access import key_changes, key_rights, keys
from dashboard.domain.access.permissions import LEADS
from dashboard.domain.audit import Actor
from dashboard.domain.funds.spend_limits import KEY, LimitId, Spender, changes, start_of
from dashboard.domain.funds.spend_limits.changes import Cap, LimitExists
from dashboard.models import ApiKey, LimitAlert, SpendLimit, User


def of_org(org_id: UUID, mode: str, *, only_for: UUID | None = None) -> Select[SpendLimit]:
    """The limits in force; with `only_for`, those that can apply to what this user spends.

    A key's limit is in force while one of its keys works, or while it binds a member.
    """
    mine = [and_(ApiKey.created_by == only_for)] if only_for else []
    of_keys = exists().where(
        ApiKey.org_id == SpendLimit.org_id, ApiKey.limit_id == SpendLimit.id, or_(keys.living(), SpendLimit.imposed),
        *mine,
    )  # fmt: skip
    others: ColumnElement[bool] = SpendLimit.scope != KEY
    if only_for:
        own = and_(SpendLimit.scope == "member", SpendLimit.scope_id == str(only_for))
        others = or_(SpendLimit.scope.in_(("org", "app")), own)
    query = select(SpendLimit).filter_by(org_id=org_id, mode=mode, ended_at=None)
    return query.where(or_(others, and_(SpendLimit.scope == KEY, of_keys)))


def find(org_id: UUID, mode: str, limit_id: UUID, *, only_for: UUID | None = None) -> SpendLimit:
    """One of the same. Raises NotFound."""
    row = db.session.scalar(of_org(org_id, mode, only_for=only_for).where(SpendLimit.id == limit_id))
    if row is None:
        raise NotFound("There is no such limit.")
    return row


def create(org_id: UUID, *, scope: str, subject: str, cap: Cap, mode: str, by: Actor) -> SpendLimit:
    """Limit the organization, a member (`subject` is the user's id), an app, or a key, whose limit is its cap.

    A key's limit counts from now on, the others from the beginning of the current window. Needs the organization's
    transaction; locks the organization, then its wallets. Raises what `changes.create` and `key_changes.set_cap` raise.
    """
    if scope != KEY:
        return changes.create(org_id, scope=scope, subject=subject, cap=cap, mode=mode, by=by)
    changes.check(cap)
    key = db.session.scalar(select(ApiKey).filter_by(org_id=org_id, mode=mode, id=ids.parse(subject)).with_for_update())
    if key is None:
        raise Invalid("There is no such key.", field="subject")
    if key.limit_id is not None:
        raise LimitExists("This key has a limit already. Change its amount.")
    key_changes.set_cap(key, cap, by=by)
    db.session.refresh(key)
    row = changes.find(org_id, key.limit_id)
    assert row is not None  # it was just made
    return row


def spender_of_key(key: ApiKey, *, app: str = "") -> Spender:
    """Whose charges those with this key are."""
    member_id = None if key.platforms else key.created_by
    return Spender(member_id, LimitId(key.org_id, key.limit_id) if key.limit_id else None, app)


def spender_of_member(org_id: UUID, user_id: UUID, role: str | None, *, app: str = "") -> Spender:
    """Whose charges those with this user's personal token are: a cap that was set for a member binds it."""
    bound = None if role in LEADS else key_rights.bound_by(org_id, user_id)
    return Spender(user_id, LimitId(org_id, bound.id) if bound else None, app)


def names_of(rows: Iterable[SpendLimit]) -> dict[UUID, str]:
    """Whom or what each of these limits: the name of the member, key or app."""
    rows = list(rows)
    members = {UUID(row.scope_id) for row in rows if row.scope == "member"}
    users = select(User.id, User.name, User.email).where(User.id.in_(members))
    people = {str(row.id): row.name or row.email for row in db.session.execute(users)} if members else {}
    of_keys = {row.id: row.org_id for row in rows if row.scope == KEY}
    named = select(ApiKey.limit_id, ApiKey.name).where(
        ApiKey.org_id.in_(set(of_keys.values())), ApiKey.limit_id.in_(of_keys)
    )
    keys_by_limit = {row.limit_id: row.name for row in db.session.execute(named.order_by(ApiKey.id))} if of_keys else {}
    found = {"org": "", "app": "", "member": "A former member", "key": "A former key"}
    return {
        row.id: keys_by_limit.get(row.id)
        or people.get(row.scope_id)
        or (row.scope_id if row.scope == "app" else found[row.scope])
        for row in rows
    }


def passed(rows: Iterable[SpendLimit]) -> dict[UUID, datetime]:
    """When the soft ones among these were passed in the current window."""
    now = clock.now()
    places = [(row.org_id, row.id, start_of(row.window, now)) for row in rows if not row.hard]
    here = tuple_(LimitAlert.org_id, LimitAlert.limit_id, LimitAlert.window_start).in_(places)
    alerts = db.session.execute(select(LimitAlert.limit_id, LimitAlert.created_at).where(here)) if places else ()
    return {row.limit_id: row.created_at for row in alerts}
