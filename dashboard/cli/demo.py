"""The demo: two organizations, five users and 90 days of history, created by the product's own code on a moved clock.

Every fact has its own key, so that the next run finishes an interrupted one.
"""

import logging
import os
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import orjson
from flask import current_app
from sqlalchemy import select

from dashboard.cli import demo_catalog, demo_holds, demo_invites, demo_mail, demo_metrics, demo_programs
from dashboard.cli.demo_use import DEMO_USE, SINGLES, SMALL_USE
from dashboard.config import settings
from dashboard.config.urls import base_url
from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.catalog import products
from dashboard.domain.funds import expiry, ledger, seals, wallets
from dashboard.domain.organizations import memberships, organizations, registration
from dashboard.domain.payments.checkout import checkout, hosted_page
from dashboard.domain.payments.webhooks import inbox
from dashboard.domain.people import users
from dashboard.domain.platform import grants
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, Organization, Payment, User
from dashboard.providers import reading
from dashboard.providers.base import CheckoutOrder, CheckoutSession, Event, ProviderUnavailable
from dashboard.providers.dummy import DummyProvider

PASSWORD = "coffer-demo"  # noqa: S105 - printed for everyone who tries the demo
PEOPLE = {
    "owner": ("Mara Lindqvist", "owner"),
    "admin": ("Tomas Okafor", "admin"),
    "member": ("Ines Haddad", "member"),
    "viewer": ("Jonas Weber", "viewer"),
    "manager": ("Coffer Support", ""),
}
DAYS = 90
MODE = "test"
DONE = "demo.seeded"


class _Silent(DummyProvider):
    """A provider whose answer is lost, so that the demo shows that case."""

    def open_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        raise ProviderUnavailable("The payment provider did not answer within 20 s.")


def seed(platform_mode: str) -> str:
    """Create what is missing. Returns what to tell the user at the terminal.

    The history always uses the dummy provider, whichever is configured; no external provider is called.
    """
    if db.session.scalar(select(AuditEntry.id).filter_by(org_id=PLATFORM_ORG_ID, action=DONE)):
        return "The demo is there already."
    if platform_mode != MODE:  # the demo's passwords are public, and its money is not real
        return "Live keys: no demo is made. Make an account with `flask --app wsgi users create --platform-manager`."
    begin = datetime.combine(clock.today() - timedelta(days=DAYS), time(8), UTC)
    provider = DummyProvider(settings().secret_key.get_secret_value())
    with current_app.test_request_context(base_url=f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"):
        with clock.at(begin):
            people = _people()
            demo, birch = _organizations(people)
            demo_catalog.make(Actor("manager", people["manager"].id), mode=MODE)
            demo_metrics.make(Actor("manager", people["manager"].id))
            demo_programs.make_service_key(Actor("manager", people["manager"].id))
        _live_through(demo, birch, people, provider, begin)
        logging.disable(logging.ERROR)  # today's errors are intentional
        _today(demo, birch, people, provider)
        logging.disable(logging.NOTSET)
    for org_id in seals.due(seconds=0):
        while seals.seal(org_id):
            continue
    with transaction(org=PLATFORM_ORG_ID):
        audit.record(demo, DONE, by=SYSTEM, org=PLATFORM_ORG_ID)
    return "The demo is ready."


def _people() -> dict[str, User]:
    made = {}
    for local, (name, _) in PEOPLE.items():
        email = f"{local}@demo.test"
        made[local] = users.by_email(email) or registration.create_user(
            email=email, password=PASSWORD, mode=MODE, name=name, manager=local == "manager"
        )
    return made


def _organizations(people: dict[str, User]) -> tuple[Organization, Organization]:
    demo = _team("Northwind Labs", "demo", people["owner"])
    birch = _team("Birch Studio", "birch-studio", people["admin"])
    by = Actor("user", people["owner"].id)
    for local, (_, role) in PEOPLE.items():
        if role and role != "owner" and memberships.role_of(people[local].id, demo.id) is None:
            with transaction(org=demo.id):
                memberships.add(demo, people[local], role=role, by=by)
        if role:
            with transaction():
                users.opened(people[local], demo.id)  # so that everyone first sees the organization with more data
    if memberships.role_of(people["owner"].id, birch.id) is None:
        with transaction(org=birch.id):
            memberships.add(birch, people["owner"], role="viewer", by=Actor("user", people["admin"].id))
    return demo, birch


def _team(name: str, slug: str, owner: User) -> Organization:
    known = organizations.by_slug(slug)
    if known is not None:
        return known
    org_id = ids.new()
    with transaction(org=org_id):
        org = organizations.make_team(name, org_id=org_id, owner=owner, by=Actor("user", owner.id), slug=slug)
        org.return_hosts = ["yourapp.com"]
    return org


def _live_through(
    demo: Organization, birch: Organization, people: dict[str, User], provider: DummyProvider, begin: datetime
) -> None:
    """The days in order, as they would have happened."""
    owner, admin = Actor("user", people["owner"].id), Actor("user", people["admin"].id)
    manager = Actor("manager", people["manager"].id)
    with clock.at(begin):
        programs = {org.id: demo_programs.make_keys(org, by) for org, by in ((demo, owner), (birch, admin))}
        for name, whose in demo_programs.OWN_KEYS.items():
            programs[demo.id][name] = demo_programs.make_key(demo, name, people[whose])
    for number in range(DAYS + 1):
        day = begin + timedelta(days=number)
        if day > datetime.now(UTC):
            break
        with clock.at(day):
            if number in (0, 41, 66):
                _buy(demo, owner, provider, "Team", f"demo:{number}")
            if number == 50:
                demo_catalog.move_on(manager, mode=MODE)
                demo_metrics.move_on(manager, birch)
            if number in (58, 72, 85):
                _buy(demo, owner, provider, "Starter", f"demo:{number}", code="DEMO20" if number == 72 else "")
            if number == 30:
                _buy(birch, admin, provider, "Starter", f"demo:{number}")
            if number == 58:
                demo_programs.set_cap(demo, programs[demo.id]["Production"], owner)
                demo_programs.set_limits(demo, people, owner)
            if number == 60:
                _give(birch, 10_000_000, "promotion", "Welcome back", manager, f"demo:{number}", days=15)
            if number == 88:
                _give(
                    demo,
                    5_000_000,
                    "goodwill",
                    "Outage on the day before, ticket 4821",
                    manager,
                    f"demo:{number}",
                    days=30,
                )
        singles = [single for single in SINGLES if single.day == number]
        demo_programs.use(demo, DEMO_USE, singles, day, programs[demo.id])
        if number >= 30:
            demo_programs.use(birch, SMALL_USE, (), day, programs[birch.id])
    for org in (demo, birch):
        for key in programs[org.id].values():
            demo_programs.mark_used(org, key)


def _today(demo: Organization, birch: Organization, people: dict[str, User], provider: DummyProvider) -> None:
    """One of each kind of problem, so that every state can be seen."""
    owner, manager = Actor("user", people["owner"].id), Actor("manager", people["manager"].id)
    with clock.at(clock.now() - timedelta(hours=2)):
        _buy(demo, owner, provider, "Starter", "demo:declined", outcome="declined")
        _buy(demo, owner, provider, "Starter", "demo:expired", outcome="expired")
        _buy(demo, owner, provider, "Starter", "demo:review", asked_minor=2_000)
        _buy(demo, owner, provider, "Starter", "demo:open", outcome=None)
        with suppress(checkout.ProviderAway):
            _buy(demo, owner, _Silent("demo"), "Starter", "demo:unknown", outcome=None)
        with transaction(org=demo.id):  # the sweep would settle it within minutes
            doubtful = db.session.scalars(select(Payment).filter_by(org_id=demo.id, key="demo:unknown")).one()
            doubtful.next_check_at = clock.now() + timedelta(days=3650)
        _receive(provider, "customer.updated", {"id": "dummy_cus_demo", "object": "customer"})
        stray = {"org_id": str(UUID(int=0)), "order_id": str(UUID(int=0)), "kind": hosted_page.KIND}
        _receive(provider, "checkout.session.completed", {"id": "dummy_cs_elsewhere", "metadata": stray})
    demo_metrics.schedule(manager)
    demo_holds.make(demo)
    demo_mail.tell_ends(demo.id)
    demo_invites.make(demo, people["owner"], demo_invites.DEMO)
    demo_invites.make(birch, people["admin"], demo_invites.BIRCH)
    wallet = wallets.of_organization(birch.id, MODE)
    if wallet.balance > 0:
        with transaction(org=birch.id):
            grants.remove(
                birch, mode=MODE, amount_micros=wallet.balance + 3_110_000, category="mistaken_grant",
                allow_negative=True,
                reason="Starter pack was granted twice, agreed with Tomas", by=manager, key="demo:overdrawn",
            )  # fmt: skip


def _buy(
    org: Organization,
    by: Actor,
    provider: DummyProvider,
    pack: str,
    key: str,
    *,
    outcome: str | None = "paid",
    asked_minor: int | None = None,
    code: str = "",
) -> None:
    """Buy a pack as a user would: hosted page, signed event, inbox, worker. `outcome` None leaves the page open."""
    offer = next(offer for offer in products.on_sale(PLATFORM_ORG_ID, mode=MODE) if offer.product.name == pack)
    here = f"{base_url()}/o/{org.slug}/buy/return?payment={{payment_id}}"
    payment = checkout.open_checkout(
        checkout.Buyer(org, by, "owner@demo.test"), offer, provider=provider, quantity=1, key=key,
        success_url=f"{here}&session={{CHECKOUT_SESSION_ID}}", cancel_url=f"{here}&cancelled=1",
        body_hash=ledger.body_hash("demo", {"pack": pack}), promotion_code=code,
    )  # fmt: skip
    if outcome is None or payment.session_id is None or payment.state != "pending":
        return
    if asked_minor is not None:
        provider.amend(payment.session_id, total_minor=asked_minor)
    provider.decide(payment.session_id, outcome)
    raw, headers = provider.signed_event(payment.session_id)
    _store(provider, provider.verify(raw, headers, now=clock.now()), raw)
    provider.delivered(payment.session_id)


def _receive(provider: DummyProvider, type: str, object: dict[str, object]) -> None:
    """An event that does not concern us."""
    event = {
        "id": f"dummy_evt_{type}", "object": "event", "type": type, "created": int(clock.now().timestamp()),
        "livemode": False, "data": {"object": object},
    }  # fmt: skip
    raw = orjson.dumps(event)
    _store(provider, reading.event(raw), raw)


def _store(provider: DummyProvider, event: Event, raw: bytes) -> None:
    inbox.store(PLATFORM_ORG_ID, event, raw, provider=provider.name, mode=provider.mode)
    inbox.drain(PLATFORM_ORG_ID, provider=provider, worker="demo")


def _give(org: Organization, micros: int, category: str, reason: str, by: Actor, key: str, *, days: int) -> None:
    with transaction(org=org.id):
        grants.grant(
            org, mode=MODE, amount_micros=micros, category=category, reason=reason, by=by, key=key,
            expires_at=expiry.after_days(days),
        )  # fmt: skip
