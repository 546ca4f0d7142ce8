"""Finding is the permission check: every view starts by finding the organization of its URL, or stops."""

from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from flask import Blueprint, Response, g, request
from flask_login import current_user

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.errors import NotFound, TooManyRequests, Unavailable
from dashboard.domain import audit
from dashboard.domain.access.permissions import Caller, Verb, allowed, of_person, require, roles_for
from dashboard.domain.audit import Actor, trail
from dashboard.domain.funds import wallets
from dashboard.domain.org_status import OrgAction, require_state
from dashboard.domain.organizations import memberships, organizations
from dashboard.domain.people import authentication, second_factor, sessions, users
from dashboard.models import Organization, Wallet
from dashboard.providers import client, platform_account
from dashboard.providers.base import Provider
from dashboard.web import navigation
from dashboard.web.confirmation import ConfirmationNeeded
from dashboard.web.sessions import current_row, is_poll, login_manager
from dashboard.web.shell import Shell


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in user in an organization: their role there and the wallet that its pages show."""

    org: Organization
    caller: Caller
    wallet: Wallet

    @property
    def by(self) -> Actor:
        return self.caller.actor

    @property
    def mode(self) -> str:
        return self.wallet.mode

    def may(self, verb: Verb) -> bool:
        return allowed(verb, self.caller)

    @property
    def only_of(self) -> UUID | None:
        """The only user whose rows the pages show, if the user may not read the whole ledger."""
        return None if self.may(Verb.READ_LEDGER) else self.caller.actor.id


def platform_mode() -> str:
    """The mode of pages that belong to no organization, and of every visit."""
    return platform_account().mode


def platform_provider() -> Provider:
    return client(platform_account())


def enter(slug: str, verb: Verb, *, act: OrgAction = OrgAction.READ) -> Visit:
    """The organization of the URL, for a user who may do `verb` there.

    A stranger gets the same 404 as for a URL that does not exist; the wrong role is a 403. Each page that a platform
    manager opens from outside is recorded in the organization's audit log.
    """
    entry = memberships.by_slug(slug, current_user.id)
    if entry is None or entry.org.kind == "platform":
        raise NotFound
    caller = of_person(current_user, entry.role)
    if caller.stranger:
        raise NotFound
    require_state(OrgAction.READ, entry.org, operator=caller.operator)
    visit = Visit(entry.org, caller, wallets.of_organization(entry.org.id, platform_mode()))
    g.shell_maker = partial(
        navigation.of_organization, visit.org, visit.caller, visit.wallet
    )  # before the errors, whose pages keep the navigation
    g.own_org = entry.org if entry.role else None
    require(verb, caller)
    require_state(act, entry.org, operator=caller.operator)
    if entry.role is None:
        record_visit(entry.org, by=caller.actor)
    elif not is_poll():
        _note(entry)
    return visit


def require_platform(verb: Verb) -> Caller:
    """The caller of a platform page. Raises Forbidden for everyone except platform managers."""
    caller = of_person(current_user, None)
    require(verb, caller)
    g.shell_maker = partial(navigation.of_platform, platform_mode())
    return caller


def look_into(org_id: UUID, verb: Verb) -> tuple[Organization, Caller]:
    """An organization on a platform page: a bar says so, and its audit log records the visit. Raises Forbidden,
    NotFound."""
    caller = require_platform(verb)
    org = find_org(org_id)
    record_visit(org, by=caller.actor)
    g.shell_maker = lambda: replace(navigation.of_platform(platform_mode()), notice_platform=True)
    return org, caller


def shell_of_address() -> Shell:
    """The navigation for an address without a page, for signed-in users: of its organization if the user is in it, else
    of their account."""
    parts = request.path.split("/")
    if parts[1] == "admin" and current_user.is_manager:
        return navigation.of_platform(platform_mode())
    entry = memberships.by_slug(parts[2], current_user.id) if parts[1] == "o" and len(parts) > 2 else None
    if entry is None or entry.role is None or entry.org.kind == "platform":
        return navigation.of_account(platform_mode())
    wallet = wallets.of_organization(entry.org.id, platform_mode())
    return navigation.of_organization(entry.org, of_person(current_user, entry.role), wallet)


def who_can(org: Organization, verb: Verb) -> str:
    """Some who may do `verb` there, by name: `Mara Lindqvist or Tomas Okafor`; empty if there is nobody."""
    return " or ".join(name for name, _ in memberships.people_with(org.id, roles_for(verb)))


def require_recent() -> None:
    """The action needs a sign-in within the last 30 minutes, or the password (and code) in the same form.

    Raises ConfirmationNeeded, whose page asks for it and keeps what was typed.
    """
    row = current_row()
    if row is None or sessions.reauthenticated(row):
        return
    given = request.form.get("confirm_password")
    if not given:
        raise ConfirmationNeeded
    try:
        authentication.confirm(current_user, given, code=request.form.get("confirm_code", ""))
    except (authentication.BadCredentials, Unavailable) as refusal:
        raise ConfirmationNeeded({"confirm_password": refusal.detail}) from None
    except TooManyRequests as limit:
        raise ConfirmationNeeded({"confirm_password": limit.detail}, status=limit.status) from None
    except second_factor.BadCode as refusal:
        raise ConfirmationNeeded({"confirm_code": refusal.detail}) from None
    with transaction():
        sessions.confirm(row)


def account_pages(blueprint: Blueprint) -> None:
    """For a `blueprint` whose routes concern only the signed-in user, and no organization."""
    signed_in_only(blueprint)

    @blueprint.before_request
    def navigate() -> None:
        g.shell_maker = partial(navigation.of_account, platform_mode())


def find_org(org_id: UUID) -> Organization:
    """An organization by its id, for platform pages. Raises NotFound unless it is a customer's."""
    org = organizations.by_id(org_id)
    if org is None or org.kind == "platform":
        raise NotFound
    return org


def record_visit(org: Organization, *, by: Actor) -> None:
    """Record that a platform manager viewed the organization, so that its members can see it. A page that polls is one
    visit together with its polls."""
    since = clock.now() - sessions.IDLE
    if request.method == "GET" and not (is_poll() and trail.was_here(org.id, by.id, since=since)):
        with transaction(org=org.id):
            audit.record(audit.Ref("page", request.path), "organization.visited", by=by, org=org.id)


def _note(entry: memberships.OrgMembership) -> None:
    """Record that the user was here, and where the next sign-in leads. Most requests write nothing."""
    opens = current_user.last_org_id != entry.org.id and request.method == "GET"
    if opens or memberships.stale(entry):
        with transaction(org=entry.org.id):
            memberships.seen(entry.org.id, current_user.id)
            if opens:
                users.opened(current_user, entry.org.id)


def signed_in_only(blueprint: Blueprint) -> None:
    """Every route of `blueprint` needs a signed-in user."""

    @blueprint.before_request
    def check() -> Response | None:
        if not current_user.is_authenticated:
            answer: Response = login_manager.unauthorized()
            return answer
        return None
