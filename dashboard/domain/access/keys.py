"""API keys: those of an organization (`cof_<mode>_<organization>_<secret>`), service keys of the platform
(`cofs_<mode>_<secret>`) and personal tokens (`cofp_<secret>`). Only the secret's digest is stored."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from dashboard.core import clock, crypto, ids
from dashboard.core.db import db
from dashboard.core.errors import Conflict, Forbidden, Invalid, TooManyRequests, Unauthenticated, check_each
from dashboard.domain import audit, rate_limits
from dashboard.domain.access import key_lookup, key_rights
from dashboard.domain.access.key_lookup import ORG_PREFIX, PERSONAL_PREFIX, SERVICE_PREFIX
from dashboard.domain.access.permissions import PERSONAL_SCOPES, SCOPES, SERVICE_SCOPES
from dashboard.domain.audit import Actor
from dashboard.domain.funds.spend_limits import changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.models import (
    PLATFORM_ORG_ID,
    ApiKey,
    Organization,
    PersonalToken,
    SpendLimit,
    User,
)

USED_EVERY = timedelta(minutes=1)
LONGEST_NAME = 100
SHOWN = 4
LISTED = 500
MOST_LIVING = 200
"""Per user and organization: removing a member revokes all of these in one transaction."""


class InvalidKey(Unauthenticated):
    code = "invalid_key"


class ScopeTooWide(Forbidden):
    code = "scope_too_wide"


class TooManyKeys(Conflict):
    code = "too_many_keys"


@dataclass(frozen=True, slots=True)
class MadeKey:
    """`key` is shown once and cannot be read again."""

    row: ApiKey
    key: str


@dataclass(frozen=True, slots=True)
class MadeToken:
    """`key` is shown once and cannot be read again."""

    row: PersonalToken
    key: str


def make(
    org: Organization,
    *,
    name: str,
    scopes: Iterable[str],
    mode: str,
    by: Actor,
    grantable: frozenset[str] = SCOPES,
    made_by: UUID | None = None,
    expires_at: datetime | None = None,
    cap: Cap | None = None,
    key_id: UUID | None = None,
    service: bool = False,
    reason: str | None = None,
) -> MadeKey:
    """Create a key of the organization, or a service key of the platform's. Needs its transaction. `made_by` is the
    user behind it, None for a command.

    `grantable` holds the scopes that its creator may give (`permissions.grantable`); a command may give all. `key_id`
    is for a form that may be sent twice. For users, it locks the organization. Raises Invalid, ScopeTooWide for scopes
    beyond `grantable`, NotFound for a user who no longer belongs to it, OrgSuspended, TooManyKeys, TooManyRequests.
    """
    grantable = key_rights.held_now(org.id, grantable, by=by)
    made = _put(
        id=key_id or ids.new(),
        org_id=org.id,
        name=_name(name),
        scopes=_scopes(scopes, grantable - PERSONAL_SCOPES),
        service=service,
        mode=mode,
        created_by=made_by,
        expires_at=_future(expires_at),
        issued_by="org" if made_by and by.kind != "manager" else "platform",
    )
    after: dict[str, Any] = {"name": made.row.name, "scopes": made.row.scopes, "mode": mode}
    if limit := _limit(org.id, made.row, cap):
        made.row.limit_id = limit.id
        after |= {"cap_micros": limit.amount, "window": limit.window}
    audit.record(made.row, "key.made", by=by, after=after, reason=reason)
    return made


def put_in_place_of(old: ApiKey, *, created_by: UUID) -> MadeKey:
    """Create a key like `old` with a new secret. For `key_changes.rotate`, which checks whether this is allowed."""
    return _put(
        org_id=old.org_id, name=old.name, scopes=list(old.scopes), mode=old.mode, created_by=created_by,
        expires_at=old.expires_at, limit_id=old.limit_id, replaces_id=old.id, issued_by=old.issued_by,
        call_limit=old.call_limit, service=old.service,
    )  # fmt: skip


def make_personal(
    user: User,
    *,
    name: str,
    scopes: Iterable[str],
    by: Actor,
    grantable: frozenset[str] = SCOPES,
    expires_at: datetime | None = None,
    token_id: UUID | None = None,
) -> MadeToken:
    """Create a personal token. When used, it never has more rights than its user has at that moment.

    `token_id` is for a form that may be sent twice. Needs the platform organization's transaction, in which it is
    audited. Raises Invalid, ScopeTooWide, TooManyKeys.
    """
    _require_room_of_person(user)
    secret = crypto.token()
    row = PersonalToken(
        id=token_id or ids.new(),
        user_id=user.id,
        name=_name(name),
        prefix=f"{PERSONAL_PREFIX}…{secret[-SHOWN:]}",
        secret_hash=crypto.digest(secret),
        scopes=_scopes(scopes, grantable),
        expires_at=_future(expires_at),
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        row, "token.made", by=by, org=PLATFORM_ORG_ID,
        after={"user": str(user.id), "name": row.name, "scopes": row.scopes},
    )  # fmt: skip
    return MadeToken(row, f"{PERSONAL_PREFIX}{secret}")


def authenticate(key: str) -> ApiKey | PersonalToken:
    """The row of an active key, with its `organization` or `user`. Raises InvalidKey, with the same text for every
    reason."""
    row = key_lookup.find(key)
    if row is None or not works(row):
        raise InvalidKey("This key is not valid. It may have been revoked or have expired.")
    if key_rights.lost(row) if isinstance(row, ApiKey) else not row.user.is_active:
        raise InvalidKey("This key is not valid. It may have been revoked or have expired.")
    return row


def works(row: ApiKey | PersonalToken) -> bool:
    """Whether it is neither revoked nor expired."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > clock.now())


def stale(row: ApiKey | PersonalToken) -> bool:
    """Whether `used` would write: at most once a minute."""
    return row.last_used_at is None or row.last_used_at < clock.now() - USED_EVERY


def used(row: ApiKey | PersonalToken, *, ip: str | None) -> None:
    """Record the use. Needs a transaction: of the key's organization, if it has one."""
    row.last_used_at = clock.now()
    row.last_used_ip = ip


def of_org(org_id: UUID, *, made_by: UUID | None = None) -> list[ApiKey]:
    """The organization's keys, or those that one user created: active ones first, then revoked ones, each newest first;
    up to 500."""
    query = select(ApiKey).filter_by(org_id=org_id).order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
    return list(db.session.scalars((query.filter_by(created_by=made_by) if made_by else query).limit(LISTED)))


def page(org_id: UUID, *, made_by: UUID | None, after: UUID | None, limit: int) -> list[ApiKey]:
    """The same by age only, newest first, older than `after`."""
    query = select(ApiKey).filter_by(org_id=org_id).order_by(ApiKey.id.desc()).limit(limit)
    query = query.filter_by(created_by=made_by) if made_by else query
    return list(db.session.scalars(query.where(ApiKey.id < after) if after else query))


def successors(org_id: UUID, of: Collection[UUID]) -> dict[UUID, UUID]:
    """The key that replaced each rotated one of these."""
    query = select(ApiKey.replaces_id, ApiKey.id).where(ApiKey.org_id == org_id, ApiKey.replaces_id.in_(of))
    return {old: new for old, new in db.session.execute(query.filter_by(revoked_at=None)) if old}


def living() -> ColumnElement[bool]:
    """Condition: the key works, as it is neither revoked nor expired."""
    return and_(ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > clock.now()))


def makers(rows: Iterable[ApiKey]) -> dict[UUID, User]:
    """The users who created and revoked these keys, by id. A command has no user."""
    wanted = {one for row in rows for one in (row.created_by, row.revoked_by) if one}
    return {user.id: user for user in db.session.scalars(select(User).where(User.id.in_(wanted)))} if wanted else {}


def find(org_id: UUID, key_id: UUID) -> ApiKey | None:
    return db.session.scalar(select(ApiKey).filter_by(org_id=org_id, id=key_id))


def revoke(row: ApiKey, *, by: Actor, reason: str | None = None) -> ApiKey:
    """Revoke a key at once. Needs its organization's transaction. A revoked one stays unchanged."""
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        row.revoked_by = by.id if by.kind in ("user", "manager") else None
        audit.record(row, "key.revoked", by=by, before={"name": row.name}, reason=reason)
    return row


def _put(**values: Any) -> MadeKey:
    if values["created_by"]:
        _require_room(values["org_id"], values["created_by"])
    secret, service = crypto.token(), values["service"]
    start = f"{SERVICE_PREFIX if service else ORG_PREFIX}{values['mode']}_"
    row = ApiKey(prefix=f"{start}…{secret[-SHOWN:]}", secret_hash=crypto.digest(secret), **values)
    db.session.add(row)
    db.session.flush()
    return MadeKey(row, f"{start}{secret}" if service else f"{start}{row.org_id.hex}_{secret}")


def _limit(org_id: UUID, row: ApiKey, cap: Cap | None) -> SpendLimit | None:
    """The cap of a new key: the one that binds its creator, shared, or a new one. Raises Invalid."""
    bound = key_rights.bound_by(org_id, row.created_by) if row.created_by else None
    if bound and cap:
        raise Invalid(
            "A cap that was set for you here already binds your new keys, which share it. Leave this empty.",
            field="cap",
        )
    return bound or (changes.begin(org_id, row.id, cap, mode=row.mode) if cap else None)


def _require_room_of_person(user: User) -> None:
    living = or_(PersonalToken.expires_at.is_(None), PersonalToken.expires_at > clock.now())
    theirs = select(func.count()).select_from(PersonalToken).filter_by(user_id=user.id, revoked_at=None).where(living)
    if (db.session.scalar(theirs) or 0) >= MOST_LIVING:
        raise TooManyKeys(f"You have {MOST_LIVING} working tokens. Revoke some first.")


def _require_room(org_id: UUID, person_id: UUID) -> None:
    theirs = select(func.count()).select_from(ApiKey).where(ApiKey.org_id == org_id, ApiKey.created_by == person_id)
    if (db.session.scalar(theirs.where(living())) or 0) >= MOST_LIVING:
        raise TooManyKeys(f"You have {MOST_LIVING} working keys here. Revoke some first.")
    if wait := rate_limits.exceeded(rate_limits.NEW_KEY, str(org_id), str(person_id)):
        raise TooManyRequests("You made many keys today. Try again later.", retry_after=wait)


def check_form(name: str, scopes: Iterable[str], *more: Callable[[], object]) -> None:
    """Check what a form for a key or token says, with `more` checks of its own. Raises Invalid with all that it
    found."""
    check_each(lambda: _name(name), lambda: _scopes(scopes, SCOPES), *more)


def _name(name: str) -> str:
    name = " ".join(name[: LONGEST_NAME + 1].split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"Enter a name of 1 to {LONGEST_NAME} characters.", field="name")
    return name


def _scopes(scopes: Iterable[str], grantable: frozenset[str]) -> list[str]:
    wanted = sorted(set(scopes))
    if not wanted:
        raise Invalid("Choose at least one scope.", field="scopes")
    if unknown := [scope for scope in wanted if scope not in SCOPES | SERVICE_SCOPES]:
        choices = ", ".join(sorted(grantable))
        raise Invalid(f"There is no scope {unknown[0][:40]}. Choose from: {choices}.", field="scopes")
    if wider := [scope for scope in wanted if scope not in grantable]:
        raise ScopeTooWide(f"You may not give the scope {wider[0]}: a key never has more than its maker.")
    return wanted


def _future(moment: datetime | None) -> datetime | None:
    if moment is not None and moment <= clock.now():
        raise Invalid("The key would already have expired.", field="expires_at")
    return moment
