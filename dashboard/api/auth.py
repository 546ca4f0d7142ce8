"""Authentication: a bearer token only; cookies and query strings are ignored.

Finding the organization is the permission check: what the caller may not know about is answered as if it did not exist.
"""

from dataclasses import dataclass
from uuid import UUID

from flask import g, request
from sqlalchemy import ColumnElement, and_, select

from dashboard.api import protocol, throttle
from dashboard.api.org_paths import SELF
from dashboard.core import logs
from dashboard.core.db import db, transaction
from dashboard.core.errors import Forbidden, NotFound, Unauthenticated
from dashboard.domain import audit, org_status
from dashboard.domain.access import end_users, keys, permissions
from dashboard.domain.access.end_users import SignedIn
from dashboard.domain.access.permissions import Caller, Verb
from dashboard.domain.audit import Actor
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import memberships, org_refs
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Organization, PersonalToken
from dashboard.providers import client, platform_account
from dashboard.providers.base import Provider

ADMIN_SCOPE = "org:admin"
FOR_END_USERS = frozenset({"api_me.retrieve"})
"""The routes that end users may call; all others reject them."""


@dataclass(frozen=True, slots=True)
class Access:
    """An organization that the caller may work in, with the caller's rights."""

    org: Organization
    caller: Caller
    mode: str
    person: PersonalToken | None

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def email(self) -> str | None:
        return self.person.user.email if self.person else None


def authenticate() -> None:
    """Runs before each request: find the active row of the token.

    Raises Unauthenticated, TooManyRequests, and what `protocol` raises for what cannot be read.
    """
    try:
        row = _row()
    except Unauthenticated:
        throttle.failed()
        raise
    if isinstance(row, SignedIn):
        throttle.require_room_of_provider(row.row.org_id, row.row.mode)
        throttle.require_room(f"end_user:{row.row.id}")
        _require_open_to_end_users(row)
    else:
        if isinstance(row, ApiKey):
            throttle.require_room(f"key:{row.id}", most=row.call_limit)
        else:
            throttle.require_room(f"token:{row.id}")
        if keys.stale(row):
            with transaction(org=row.org_id if isinstance(row, ApiKey) else None):
                keys.used(row, ip=logs.client_ip())
    g.bearer = row
    protocol.require_readable()
    protocol.answer_as_asked(mode=lambda: _mode_of(row))


def _row() -> ApiKey | PersonalToken | SignedIn:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send a key: `Authorization: Bearer <key>`.")
    return end_users.authenticate(token) if end_users.looks_signed(token) else keys.authenticate(token)


def _require_open_to_end_users(row: SignedIn) -> None:
    """Raise NotFound for what belongs to another organization, and Forbidden for what only its own users may see."""
    if request.endpoint not in FOR_END_USERS:
        if not _own((request.view_args or {}).get("org_id", SELF), row.org.id):
            raise NotFound
        raise Forbidden("This is for the organization's people and programs, not for its end users.")


def caller() -> ApiKey | PersonalToken | SignedIn:
    """The caller of a route that end users may also call."""
    result: ApiKey | PersonalToken | SignedIn = g.bearer
    return result


def bearer() -> ApiKey | PersonalToken:
    result: ApiKey | PersonalToken = g.bearer
    return result


def mode() -> str:
    """The caller's mode: an organization's key has its own, all others use the platform's."""
    return _mode_of(bearer())


def _mode_of(row: ApiKey | PersonalToken | SignedIn) -> str:
    if isinstance(row, SignedIn):
        return row.row.mode
    return row.mode if isinstance(row, ApiKey) else platform_mode()


def platform_mode() -> str:
    return platform_account().mode


def platform_provider() -> Provider:
    return client(platform_account())


def enter(org: str, verb: Verb, act: OrgAction = OrgAction.READ) -> Access:
    """The organization, if the caller may do `verb` in it now.

    Raises NotFound for strangers, Forbidden for a missing role or scope, OrgSuspended.
    """
    access = find(org)
    permissions.require(verb, access.caller)
    return _admit(access, act)


def look(org: str) -> Access:
    """The organization, for any caller who may know about it, with any key. Raises NotFound for strangers."""
    return _admit(find(org), OrgAction.READ)


def require_admin_scope(access: Access) -> None:
    """A personal token needs `org:admin` for actions that ask for the password on a page. Raises Forbidden."""
    if access.person is not None and ADMIN_SCOPE not in access.person.scopes:
        raise Forbidden(f"This key lacks the scope {ADMIN_SCOPE}.")


def person() -> PersonalToken:
    """The personal token of a user who may act with full rights. Raises Forbidden."""
    row = bearer()
    if isinstance(row, ApiKey):
        raise Forbidden("This takes a personal token: a key belongs to its organization.")
    if ADMIN_SCOPE not in row.scopes:
        raise Forbidden(f"This key lacks the scope {ADMIN_SCOPE}.")
    return row


def only_of(access: Access, verb: Verb) -> UUID | None:
    """The only user whose rows are shown: a user who may not read all, by `verb`, sees only their own."""
    if access.person is None or permissions.allowed(verb, access.caller):
        return None
    return access.person.user_id


def _admit(access: Access, act: OrgAction) -> Access:
    operator = access.caller.operator and access.caller.role is None
    org_status.require_state(act, access.org, operator=operator)
    if operator:
        record_visit(access.org, by=access.actor)
    return access


def find(org: str) -> Access:
    """The organization that `org` names (`org_paths`), with the caller's rights in it. Raises NotFound for strangers
    and for the platform's own, which has no wallet and no members, and whose catalog has its own paths."""
    row = bearer()
    if isinstance(row, ApiKey) and row.service:
        return Access(_served(org), permissions.of_key(row), row.mode, None)
    if isinstance(row, ApiKey):
        if row.org_id == PLATFORM_ORG_ID or not _own(org, row.org_id):
            raise NotFound
        return Access(row.organization, permissions.of_key(row), row.mode, None)
    entry = memberships.named(org, row.user_id, token_of=row.created_at)
    caller = permissions.of_token(row, row.user, entry.role if entry else None)
    if entry is None or caller.stranger:
        raise NotFound
    return Access(entry.org, caller, platform_mode(), row)


def _own(org: str, org_id: UUID) -> bool:
    """Whether `org` names the one organization of the caller."""
    return org == SELF or org_refs.names(org, org_id)


def _served(org: str) -> Organization:
    """An organization in which service keys act. Raises NotFound for one that takes its customers' money itself."""
    row = db.session.scalar(select(Organization).where(org_refs.is_named(org), served()))
    if row is None:
        raise NotFound
    return row


def served() -> ColumnElement[bool]:
    """Condition on Organization: service keys act in it."""
    platforms = and_(Organization.kind != "platform", Organization.funding == "platform")
    return and_(platforms, Organization.closed_at.is_(None))


def record_visit(org: Organization, *, by: Actor) -> None:
    """Record that a platform manager viewed the organization, so that its members can see it."""
    if request.method == "GET":
        with transaction(org=org.id):
            audit.record(audit.Ref("page", request.path), "organization.visited", by=by, org=org.id)


def require_open(access: Access) -> None:
    """Raise NotFound if only operators may still read the organization."""
    if access.org.closed_at is not None:
        raise NotFound


def platform(verb: Verb) -> Caller:
    """The caller of the platform's own paths. Raises Forbidden."""
    row = bearer()
    if isinstance(row, ApiKey):
        if row.organization.closed_at is not None or row.organization.suspended_at is not None:
            raise Forbidden("This key's organization is suspended or closed.")
        caller = permissions.of_key(row)
    else:
        caller = permissions.of_token(row, row.user, None)
    permissions.require(verb, caller)
    return caller
