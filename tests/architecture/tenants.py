"""Two organizations with one of everything, everyone who may come along, and the way to each route in them."""

import secrets
from collections.abc import Iterator
from typing import Any, Self
from uuid import UUID, uuid4

import orjson
from flask import Flask
from flask.testing import FlaskClient

from dashboard.core.db import db, transaction
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import OPERATOR_SCOPES, PERSONAL_SCOPES, SCOPES, SERVICE_SCOPES
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger
from dashboard.domain.organizations import memberships, organizations
from dashboard.domain.payments import fulfil
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.payments.receipts import receipts
from dashboard.domain.payments.webhooks import inbox
from dashboard.domain.people import users
from dashboard.domain.platform import external_keys
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Recorded, Usage
from dashboard.jobs import platform_provider
from dashboard.models import (
    PLATFORM_ORG_ID,
    ApiKey,
    AuditEntry,
    CreditGrant,
    InboxEvent,
    Membership,
    Payment,
    UsageEvent,
)
from dashboard.providers import reading
from tests import invites as invitations
from tests.architecture.bodies import body_of
from tests.factories import (
    add_member,
    charge,
    hold,
    make_key,
    make_limit,
    make_metric,
    make_org,
    make_pack,
    make_service_key,
    make_token,
    make_user,
    wallet_of,
)
from tests.servers import Servers
from tests.web.people import Person, Team, make_team, token_in

ITEMS = {
    "/transactions/": "transaction_id", "/grants/": "grant_id", "/members/": "member_id", "/invites/": "invite_id",
    "/usage/events/": "usage_event_id",
    "/payments/": "payment_id", "/audit/": "entry_id", "/wallets/": "wallet_id", "/users/": "user_id",
    "/admin/api/v1/orgs/": "org_id", "/holds/": "hold_id", "/limits/": "limit_id",
}  # fmt: skip


class Tenants:
    """Two teams with one of everything, and everyone who may come along."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.team: Team = make_team(app, funds=50_000_000)
        with app.app_context():
            self.org = organizations.by_id(self.team.org_id)
            make_metric("matrix", amount_micros=0)
            self.own = self._things(self.org)
            self.foreign = self._things(make_org("Elsewhere", funds=50_000_000))
            self.absent = {name: uuid4() for name in self.own} | {"slug": "nowhere", "session_id": "dummy_cs_nowhere"}
            self.absent["invite"] = f"{uuid4().hex}_{secrets.token_urlsafe(32)}"
            self.tokens = self._tokens()

    def _things(self, org: Any) -> dict[str, Any]:
        offer = make_pack(f"Pack {org.slug}")
        with self.app.test_request_context(base_url="http://localhost"):
            payment = checkout.open_checkout(
                checkout.Buyer(org, Actor("user", uuid4()), None), offer, provider=platform_provider(), quantity=1,
                success_url="http://localhost/ok", cancel_url="http://localhost/no", key=secrets.token_hex(8),
                body_hash=ledger.body_hash("/", {}),
            )  # fmt: skip
        make_key(org, "wallet:read", by=Actor("user", next(_people_of(org.id))))
        token = keys.authenticate(make_token(users.by_id(next(_people_of(org.id))), "wallet:read"))
        raw = orjson.dumps(
            {"id": f"evt_{org.slug}", "type": "checkout.session.completed", "created": 1, "livemode": False,
             "data": {"object": {"id": "dummy_cs_gone"}}}
        )  # fmt: skip
        inbox.store(PLATFORM_ORG_ID, reading.event(raw), raw, provider="dummy", mode="test")
        inbox.drain(PLATFORM_ORG_ID, provider=platform_provider(), worker="test")
        user = next(entry for entry in _people_of(org.id))
        bought = self._bought(org, user, offer)
        return {
            "org_id": org.id,
            "slug": org.slug,
            "user_id": user,
            "wallet_id": wallet_of(org).id,
            "transaction_id": charge(wallet_of(org), 1_000_000).id,
            "grant_id": db.session.query(CreditGrant.id).filter_by(org_id=org.id).limit(1).scalar(),
            "key_id": db.session.query(ApiKey.id).filter_by(org_id=org.id).scalar(),
            "event_id": db.session.query(InboxEvent.id).filter_by(event_id=f"evt_{org.slug}").scalar(),
            "usage_event_id": usage_event(org).id,
            "token_id": token.id,
            "session_id": payment.session_id,
            "id": offer.product.id,
            "payment_id": bought.id,
            "mail_id": receipts.mailed(bought).id,
            "entry_id": db.session.query(AuditEntry.id).filter_by(org_id=org.id).limit(1).scalar(),
            **self.invite(org),
            "member_id": _member(org),
            "hold_id": hold(org, 1, seconds=86_400).id,
            "limit_id": make_limit(org, 10**15).id,
            "service_key_id": _service_key(),
            "external_key": _external_key(org),
        }

    def invite(self, org: Any) -> dict[str, Any]:
        """A new invite of the organization's owner for somebody who is none of them."""
        with self.app.test_request_context(base_url="http://localhost"):
            owner = users.by_id(next(_people_of(org.id)))
            row = invitations.send(org, owner, f"guest{secrets.token_hex(4)}@example.test")
            return {"invite_id": row.id, "invite": invitations.token_of(row)}

    def _bought(self, org: Any, user_id: UUID, offer: Any) -> Payment:
        """A credited payment of a person: with a receipt, and a mail that brings it."""
        provider = platform_provider()
        with self.app.test_request_context(base_url="http://localhost"):
            payment = checkout.open_checkout(
                checkout.Buyer(org, Actor("user", user_id), None), offer, provider=provider, quantity=1,
                success_url="http://localhost/ok", cancel_url="http://localhost/no", key=secrets.token_hex(8),
                body_hash=ledger.body_hash("/", {}),
            )  # fmt: skip
        provider.decide(payment.session_id, "paid")
        return fulfil.confirm(org.id, payment.id, provider=provider)

    def _tokens(self) -> dict[str, str | None]:
        own, foreign = organizations.by_id(self.own["org_id"]), organizations.by_id(self.foreign["org_id"])
        full = sorted(SCOPES - PERSONAL_SCOPES - OPERATOR_SCOPES)
        return {
            "nobody": None,
            "foreign": make_key(foreign, *full),
            "narrow": make_key(own, "rules:write"),
            "full": make_key(own, *full, "wallet:deposit"),
            "service": make_service_key(*sorted(SERVICE_SCOPES)),
            "manager": make_token(make_user(manager=True), *sorted(SCOPES)),
            "stranger": make_token(make_user(), *sorted(SCOPES)),
            "owner": make_token(users.by_id(self.own["user_id"]), *sorted(SCOPES)),
            **{role: make_token(add_member(own, role), *sorted(SCOPES)) for role in ("admin", "member", "viewer")},
        }

    @classmethod
    def ready(cls, app: Flask, servers: Servers) -> Self:
        """One in clean tables: a copy of the first, with browsers in which nobody has signed in yet."""
        made = servers.once("two teams and everyone", lambda: cls(app))
        made.team = made.team.anew(app)
        return made

    def browser(self, caller: str) -> tuple[FlaskClient, str]:
        """A browser of theirs, and the token that its forms carry."""
        if caller == "anonymous":
            client = self.app.test_client()
            return client, token_in(client.get("/login").text)
        person: Person = getattr(self.team, caller)
        return person.client, person.token


def _people_of(org_id: UUID) -> Iterator[UUID]:
    yield from db.session.scalars(db.select(Membership.user_id).filter_by(org_id=org_id, role="owner"))


def usage_event(org: Any) -> UsageEvent:
    """A new event that nobody has voided yet."""
    usage = Usage("matrix", 1, secrets.token_hex(8), b"")
    (result,), _ = recording.record(org, [usage], mode="test", by=SYSTEM, api_key_id=None)
    assert isinstance(result, Recorded)
    return result.event


def fresh(tenants: Tenants) -> dict[str, Any]:
    """A key and an event that nobody has revoked or retried yet."""
    with tenants.app.app_context():
        org = organizations.by_id(tenants.own["org_id"])
        make_key(org, "wallet:read", by=Actor("user", tenants.own["user_id"]))
        newest = db.session.query(ApiKey.id).filter_by(org_id=org.id).order_by(ApiKey.id.desc()).limit(1).scalar()
        db.session.execute(db.text("UPDATE inbox_events SET state = 'parked'"))
        db.session.execute(db.text("UPDATE outbox_emails SET state = 'parked'"))
        member, event = _member(org), usage_event(org)
        held = hold(org, 1).id
        limit = make_limit(org, 10**15, "day", "app", secrets.token_hex(4)).id
    made = {"key_id": newest, "member_id": member, "hold_id": held, "usage_event_id": event.id, "limit_id": limit}
    return tenants.own | made


def _external_key(org: Any) -> str:
    with transaction(org=org.id):
        external_keys.assign(org, f"crm:{org.slug}", reason="Matrix", by=SYSTEM)
    return f"crm:{org.slug}"


def _service_key() -> UUID:
    """Not of the organization: the platform's."""
    row = keys.authenticate(make_service_key("wallet:read"))
    assert isinstance(row, ApiKey)
    return row.id


def _member(org: Any) -> UUID:
    """A membership that nobody has ended yet."""
    user = add_member(org, "viewer")
    row = memberships.of_person(org.id, user.id)
    assert row is not None
    return row.id


def path_of(line: str, things: dict[str, Any]) -> str:
    rule = line.partition(" ")[2].replace("/usage/<uuid:event_id>", f"/usage/{things['usage_event_id']}")
    values = {
        "<uuid:org_id>": things["org_id"], "<org:org_id>": things["org_id"],
        "<org:id>": things["org_id"], "<uuid:user_id>": things["user_id"], "<slug>": things["slug"],
        "<uuid:transaction_id>": things["transaction_id"], "<uuid:key_id>": things["key_id"],
        "<uuid:limit_id>": things["limit_id"],
        "<uuid:token_id>": things["token_id"], "<uuid:grant_id>": things["grant_id"],
        "<uuid:event_id>": things["event_id"], "<session_id>": things["session_id"],
        "<any(grant, remove):act>": "grant", "<any(suspend, unsuspend, close, reopen):act>": "suspend",
        '<any(sessions, factor, disable, enable, promote, demote, erase):act>': "disable",
        "<any(archive, restore):act>": "archive", "<any(confirm, clear):act>": "confirm",
        "<uuid:product_id>": things["id"], "<path:filename>": "css/app.css",
        "<uuid:id>": things[next((name for part, name in ITEMS.items() if part in rule), "id")],
        "<key>": things["external_key"],
        "<project_id>": things["org_id"], "<mode>": "test", "<uuid:payment_id>": things["payment_id"],
        "<uuid:service_key_id>": things["service_key_id"], "<any(rotate, cap, calls, revoke):act>": "revoke",
        "<token>": "x" * 43, "<uuid:session_id>": things["key_id"],
        "<uuid:mail_id>": things["mail_id"], "<int:number>": 0,
        "<uuid:entry_id>": things["entry_id"],
        "<uuid:hold_id>": things["hold_id"],
        "<uuid:invite_id>": things["invite_id"], "<invite>": things["invite"],
        "<uuid:member_id>": things["member_id"], "<group>": "me", "<metric_key>": "matrix",
    }  # fmt: skip
    for name, value in values.items():
        rule = rule.replace(name, str(value))
    return rule


def call(tenants: Tenants, line: str, things: dict[str, Any], caller: str) -> tuple[int, dict[str, Any]]:
    method = line.partition(" ")[0]
    if "/invites/<uuid:id>" in line and things is tenants.own:
        things = tenants.own | tenants.invite(tenants.org)
    if "/holds/<uuid:id>/" in line and things is tenants.own:
        things = fresh(tenants)
    token = tenants.tokens[caller]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    sends = method in ("POST", "PATCH", "PUT")
    named = {name: str(things[name]) for name in ("org_id", "member_id")}
    body = body_of(line, product_id=str(things["id"]), **named) if sends else None
    answer = tenants.app.test_client().open(path_of(line, things), method=method, headers=headers, json=body)
    told = answer.get_json(silent=True) or {}
    return answer.status_code, {name: value for name, value in told.items() if name != "request_id"}
