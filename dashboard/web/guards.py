"""Finding is the permission check: every view starts by finding the organization of its URL, or stops."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for
from flask_login import current_user

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.errors import NotFound
from dashboard.core.money import MICROS_PER_USD
from dashboard.domain import audit
from dashboard.domain.audit import Actor, trail
from dashboard.domain.funds import wallets
from dashboard.domain.identity import belonging, entrance, memberships, organizations, second_factor, sessions, users
from dashboard.domain.identity.permissions import Act, Caller, Verb, allowed, of_person, require, require_state
from dashboard.models import Organization, Wallet
from dashboard.providers import client, platform_account
from dashboard.providers.base import Provider
from dashboard.web.errors import ConfirmationNeeded
from dashboard.web.sessions import current_row, is_poll, login_manager
from dashboard.web.shell import Group, Link, Place, Shell

LOW_BALANCE_MICROS = 5 * MICROS_PER_USD


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
        """The user whose rows alone the pages show, if the user may not read the whole ledger."""
        return None if self.may(Verb.READ_LEDGER) else self.caller.actor.id


def platform_mode() -> str:
    """The mode of pages that belong to no organization, and of every visit."""
    return platform_account().mode


def platform_provider() -> Provider:
    return client(platform_account())


def enter(slug: str, verb: Verb, *, act: Act = Act.READ) -> Visit:
    """The organization of the URL, for a user who may do `verb` there.

    A stranger gets the same 404 as for a URL that leads nowhere; the wrong role is a 403. Each page that a platform
    manager opens from outside is recorded in the organization's audit log.
    """
    entry = memberships.entry_by_slug(slug, current_user.id)
    if entry is None or entry.org.kind == "platform":
        raise NotFound
    caller = of_person(current_user, entry.role)
    if caller.stranger:
        raise NotFound
    require_state(Act.READ, entry.org, operator=caller.operator)
    visit = Visit(entry.org, caller, wallets.of_organization(entry.org.id, platform_mode()))
    g.shell_maker = partial(_org_shell, visit)  # before the errors, whose pages keep the navigation
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
    g.shell_maker = _platform_shell
    return caller


def look_into(org_id: UUID, verb: Verb) -> tuple[Organization, Caller]:
    """An organization on a platform page: a bar says so, and its audit log records the visit. Raises Forbidden,
    NotFound."""
    caller = require_platform(verb)
    org = find_org(org_id)
    record_visit(org, by=caller.actor)
    g.shell_maker = lambda: replace(_platform_shell(), notice_platform=True)
    return org, caller


def require_recent() -> None:
    """The action needs a sign-in within the last 30 minutes, or the password (and code) in the same form.

    Raises ConfirmationNeeded, whose page asks for it and keeps what was typed; TooManyRequests.
    """
    row = current_row()
    if row is None or sessions.reauthenticated(row):
        return
    given = request.form.get("confirm_password")
    if not given:
        raise ConfirmationNeeded
    try:
        entrance.confirm(current_user, given, code=request.form.get("confirm_code", ""))
    except entrance.BadCredentials as refusal:
        raise ConfirmationNeeded({"confirm_password": refusal.detail}) from None
    except second_factor.BadCode as refusal:
        raise ConfirmationNeeded({"confirm_code": refusal.detail}) from None
    with transaction():
        sessions.confirm(row)


def account_pages(blueprint: Blueprint) -> None:
    """For a `blueprint` whose routes concern only the signed-in user, and no organization."""
    signed_in_only(blueprint)

    @blueprint.before_request
    def navigate() -> None:
        g.shell_maker = _account_shell


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


def _note(entry: memberships.Entry) -> None:
    """Record that the user was here, and where the next sign-in leads. Most requests write nothing."""
    opens = current_user.last_org_id != entry.org.id and request.method == "GET"
    if opens or memberships.due(entry):
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


def _org_shell(visit: Visit) -> Shell:
    slug = visit.org.slug
    sees_balance = visit.may(Verb.READ_BALANCE)
    state, words = balance_state(visit.wallet)
    return Shell(
        groups=_groups(visit),
        home=url_for("costs.show", slug=slug),
        place=Place(visit.org.name, url_for("costs.show", slug=slug), _role_words(visit)),
        others=_others(slug),
        balance_micros=visit.wallet.balance if sees_balance else None,
        balance_state=state if sees_balance else "",
        balance_words=words if sees_balance else "",
        platform_href=url_for("admin.show") if current_user.is_manager else "",
        notice_platform=visit.caller.role is None,
        suspended=visit.org.suspended_at is not None,
        test_mode=visit.wallet.mode == "test",
    )


def _groups(visit: Visit) -> tuple[Group, ...]:
    slug = visit.org.slug
    billing = [_link("Cost management", "costs.show", slug=slug)]
    if visit.may(Verb.READ_OWN_ROWS):
        billing.append(_link("Transactions", "transactions.listing", slug=slug))
    if visit.may(Verb.READ_PAYMENTS):
        billing.append(_link("Payments", "payments.index", slug=slug))
    if visit.may(Verb.BUY):
        billing.append(_link("Buy credits", "buy.form", slug=slug))
    if visit.org.funding == "own" and visit.may(Verb.READ_OWN_CATALOG):
        billing.append(_link("Credit packs", "catalog.listing", slug=slug))
    organization = []
    if visit.may(Verb.READ_MEMBERS):
        organization.append(_link("Members", "members.listing", slug=slug))
    if visit.may(Verb.MANAGE_OWN_KEYS):
        organization.append(_link("API keys", "keys.listing", slug=slug))
    if visit.may(Verb.READ_AUDIT):
        organization.append(_link("Audit log", "audit.listing", slug=slug))
    if visit.may(Verb.MANAGE_ORG):
        organization.append(_link("Settings", "settings.show", slug=slug))
    groups = [Group("Billing", tuple(billing)), Group("Organization", tuple(organization))]
    return tuple(group for group in groups if group.links)


def _platform_shell() -> Shell:
    links = (
        _link("Overview", "admin.show"),
        _link("Organizations", "admin_orgs.listing"),
        _link("Users", "admin_users.listing"),
        _link("Payments", "admin_payments.listing"),
        _link("Credit packs", "admin_catalog.listing"),
        _link("Webhooks", "admin_webhooks.listing"),
        _link("Mail", "admin_mail.listing"),
        _link("Audit log", "admin_audit.listing"),
        _link("System", "admin_system.show"),
    )
    return Shell(
        groups=(Group("Platform", links),),
        home=url_for("admin.show"),
        others=_others(None),
        test_mode=platform_mode() == "test",
    )


def _account_shell() -> Shell:
    return Shell(
        groups=(
            Group(
                "Account",
                (
                    _link("Profile", "account.profile"),
                    _link("Security", "account_security.show"),
                    _link("Access tokens", "account_tokens.listing"),
                ),
            ),
            Group("Work", (_link("Organizations", "orgs.listing"),)),
        ),
        home=url_for("auth.start"),
        others=_others(None),
        platform_href=url_for("admin.show") if current_user.is_manager else "",
        test_mode=platform_mode() == "test",
    )


def _link(label: str, endpoint: str, **values: Any) -> Link:
    here = (request.endpoint or "").split(".")[0] == endpoint.split(".")[0]
    return Link(label, url_for(endpoint, **values), current=here)


def _others(slug: str | None) -> tuple[Place, ...]:
    """The user's most recent organizations; the switcher's last line leads to all."""
    entries = belonging.recent(current_user.id)
    return tuple(
        Place(entry.org.name, url_for("costs.show", slug=entry.org.slug), (entry.role or "").capitalize())
        for entry in entries
        if entry.org.slug != slug
    )


def _role_words(visit: Visit) -> str:
    return visit.caller.role.capitalize() if visit.caller.role else "Platform manager, read only"


def balance_state(wallet: Wallet) -> tuple[str, str]:
    """A tone and a word for a balance that needs attention; both empty for a good one."""
    if wallet.balance < 0:
        return "bad", "overdrawn"
    if wallet.blocked:
        return "bad", "out of credits"
    if wallet.available < LOW_BALANCE_MICROS:
        return "warn", "low"
    return "", ""
