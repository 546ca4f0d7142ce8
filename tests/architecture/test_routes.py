"""The route matrix: every route, every caller, own, foreign and absent ids, with and without the form's token."""

import secrets
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger
from dashboard.domain.identity import keys, memberships, org_settings, organizations, users
from dashboard.domain.identity.permissions import OPERATOR_SCOPES, PERSONAL_SCOPES, SCOPES
from dashboard.domain.payments import checkout, fulfil, inbox, receipts
from dashboard.models import PLATFORM_ORG_ID, ApiKey, AuditEntry, InboxEvent, Payment
from dashboard.providers import current, reading
from tests import invites as invitations
from tests.architecture.matrix import CALLS, PAGES, PEOPLE, PROGRAMS, body_of
from tests.factories import add_member, charge, make_key, make_org, make_pack, make_token, make_user, wallet_of
from tests.web.people import Person, Team, make_team, token_in

UNTOLD = {"HEAD", "OPTIONS"}
ITEMS = {
    "/transactions/": "transaction_id", "/members/": "member_id", "/invites/": "invite_id",
    "/admin/api/v1/orgs/": "org_id",
}  # fmt: skip
USED_UP = ("POST /o/<slug>/keys/<uuid:key_id>", "POST /o/<slug>/members/")
"""What a good call ends, so that the next caller needs another."""


class World:
    """Two teams with one of everything, and everyone who may come along."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.team: Team = make_team(app, funds=50_000_000)
        with app.app_context():
            self.org = organizations.by_id(self.team.org_id)
            self.own = self._things(self.org)
            self.foreign = self._things(make_org("Elsewhere", funds=50_000_000))
            self.absent = {name: uuid4() for name in self.own} | {"slug": "nowhere", "session_id": "dummy_cs_nowhere"}
            self.absent["invite"] = f"{uuid4().hex}_{secrets.token_urlsafe(32)}"
            self.tokens = self._tokens()

    def _things(self, org: Any) -> dict[str, Any]:
        offer = make_pack(f"Pack {org.slug}")
        with self.app.test_request_context(base_url="http://localhost"):
            payment = checkout.open_checkout(
                checkout.Buyer(org, Actor("user", uuid4()), None), offer, provider=current(), quantity=1,
                success_url="http://localhost/ok", cancel_url="http://localhost/no", key=secrets.token_hex(8),
                body_hash=ledger.body_hash("/", {}),
            )  # fmt: skip
        make_key(org, "wallet:read")
        token = keys.authenticate(make_token(users.by_id(next(_people_of(org.id))), "wallet:read"))
        raw = orjson.dumps(
            {"id": f"evt_{org.slug}", "type": "checkout.session.completed", "created": 1, "livemode": False,
             "data": {"object": {"id": "dummy_cs_gone"}}}
        )  # fmt: skip
        inbox.store(PLATFORM_ORG_ID, reading.event(raw), raw, provider="dummy", mode="test")
        inbox.drain(PLATFORM_ORG_ID, provider=current(), worker="test")
        user = next(entry for entry in _people_of(org.id))
        bought = self._bought(org, user, offer)
        return {
            "org_id": org.id,
            "slug": org.slug,
            "user_id": user,
            "transaction_id": charge(wallet_of(org), 1_000_000).id,
            "key_id": db.session.query(ApiKey.id).filter_by(org_id=org.id).scalar(),
            "event_id": db.session.query(InboxEvent.id).filter_by(event_id=f"evt_{org.slug}").scalar(),
            "token_id": token.id,
            "session_id": payment.session_id,
            "id": offer.product.id,
            "payment_id": bought.id,
            "mail_id": receipts.mailed(bought).id,
            "entry_id": db.session.query(AuditEntry.id).filter_by(org_id=org.id).limit(1).scalar(),
            **self.invite(org),
            "member_id": _member(org),
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
        provider = current()
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
            "narrow": make_key(own, "holds:write"),
            "full": make_key(own, *full, "wallet:deposit"),
            "manager": make_token(make_user(manager=True), *sorted(SCOPES)),
            "stranger": make_token(make_user(), *sorted(SCOPES)),
            "owner": make_token(users.by_id(self.own["user_id"]), *sorted(SCOPES)),
            **{role: make_token(add_member(own, role), *sorted(SCOPES)) for role in ("admin", "member", "viewer")},
        }

    def browser(self, caller: str) -> FlaskClient:
        found: Person | None = None if caller == "anonymous" else getattr(self.team, caller)
        return self.app.test_client() if found is None else found.client


def _people_of(org_id: UUID) -> Iterator[UUID]:
    from dashboard.models import Membership

    yield from db.session.scalars(db.select(Membership.user_id).filter_by(org_id=org_id, role="owner"))


@pytest.fixture
def world(app: Flask) -> World:
    return World(app)


def lines(app: Flask) -> set[str]:
    return {f"{method} {rule.rule}" for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - UNTOLD}


def path_of(line: str, things: dict[str, Any]) -> str:
    rule = line.partition(" ")[2]
    values = {
        "<slug>": things["slug"], "<uuid:org_id>": things["org_id"], "<uuid:user_id>": things["user_id"],
        "<uuid:transaction_id>": things["transaction_id"], "<uuid:key_id>": things["key_id"],
        "<uuid:token_id>": things["token_id"],
        "<uuid:event_id>": things["event_id"], "<session_id>": things["session_id"],
        "<any(grant, remove):act>": "grant", "<any(suspend, unsuspend, close, reopen):act>": "suspend",
        '<any(sessions, factor, disable, enable, promote, demote, erase):act>': "disable",
        "<any(archive, restore):act>": "archive", "<uuid:product_id>": things["id"], "<path:filename>": "css/app.css",
        "<uuid:id>": things[next((name for part, name in ITEMS.items() if part in rule), "id")],
        "<key>": things["external_key"],
        "<project_id>": things["org_id"], "<mode>": "test", "<uuid:payment_id>": things["payment_id"],
        "<proof>": "x" * 43, "<uuid:session_id>": things["key_id"],
        "<uuid:mail_id>": things["mail_id"], "<int:number>": 0,
        "<uuid:entry_id>": things["entry_id"],
        "<uuid:invite_id>": things["invite_id"], "<invite>": things["invite"],
        "<uuid:member_id>": things["member_id"],
    }  # fmt: skip
    for name, value in values.items():
        rule = rule.replace(name, str(value))
    return rule


def submit(client: FlaskClient, path: str, *, token: bool = True) -> int:
    fields = {"csrf_token": token_in(client.get("/styleguide").text)} if token else {}
    return client.post(path, data=fields).status_code


def test_every_route_has_a_line_and_every_line_a_route(app: Flask) -> None:
    assert set(PAGES) | set(CALLS) == lines(app)
    assert not set(PAGES) & set(CALLS)


def test_pages_answer_each_person_as_the_matrix_says(world: World) -> None:
    wrong = []
    for line, expected in PAGES.items():
        method = line.partition(" ")[0]
        if line in ("POST /logout", "POST /invite/<invite>/switch"):
            continue  # they sign out
        for caller, status in zip(PEOPLE, expected, strict=True):
            client, path = world.browser(caller), path_of(line, world.own)
            if line.startswith(USED_UP) or "retry" in line:
                path = path_of(line, _fresh(world))
            if method == "POST" and "invite" in line:
                path = path_of(line, world.own | world.invite(world.org))
            got = submit(client, path) if method == "POST" else client.get(path).status_code
            if got != status:
                wrong.append(f"{line} as {caller}: {got}, not {status}")
    assert not wrong, "\n".join(wrong)


def _fresh(world: World) -> dict[str, Any]:
    """A key and an event that nobody has revoked or retried yet."""
    with world.app.app_context():
        org = organizations.by_id(world.own["org_id"])
        make_key(org, "wallet:read")
        newest = db.session.query(ApiKey.id).filter_by(org_id=org.id).order_by(ApiKey.id.desc()).limit(1).scalar()
        db.session.execute(db.text("UPDATE inbox_events SET state = 'parked'"))
        db.session.execute(db.text("UPDATE outbox_emails SET state = 'parked'"))
        member = _member(org)
    return world.own | {"key_id": newest, "member_id": member}


def _external_key(org: Any) -> str:
    with transaction(org=org.id):
        org_settings.change(org, {"external_key": f"crm:{org.slug}"}, by=SYSTEM)
    return f"crm:{org.slug}"


def _member(org: Any) -> UUID:
    """A membership that nobody has ended yet."""
    user = add_member(org, "viewer")
    row = memberships.of_person(org.id, user.id)
    assert row is not None
    return row.id


def test_forms_without_their_token_are_refused(world: World) -> None:
    world.app.config["WTF_CSRF_ENABLED"] = True
    for line in PAGES:
        if line.startswith("POST "):
            client = world.app.test_client()
            assert submit(client, path_of(line, world.own), token=False) == 403, line
            assert submit(world.team.owner.client, path_of(line, world.own), token=False) == 403, line


def test_asking_for_the_head_of_a_form_is_no_submit(world: World) -> None:
    """HEAD carries no token, so that it must do what GET does: show the form."""
    fields = {"amount": "1", "category": "goodwill", "reason": "x", "confirm": "1", "email": "x", "password": "y"}
    for line in PAGES:
        if line.startswith("POST ") and f"GET {line[5:]}" in PAGES:
            path = path_of(line, _fresh(world))
            for client in (world.app.test_client(), world.team.manager.client):
                asked, shown = client.head(path, data=fields), client.get(path)
                assert asked.status_code == shown.status_code, line
                assert asked.location == shown.location, line


def test_foreign_and_absent_are_the_same_to_people(world: World) -> None:
    """Also under one's own organization: another's ids lead nowhere."""
    for line in PAGES:
        if "<slug>" not in line or "<uuid" not in line:
            continue
        method = line.partition(" ")[0]
        mixed = world.foreign | {"slug": world.own["slug"]}
        nothing = world.absent | {"slug": world.own["slug"]}
        for things in (world.foreign, mixed, nothing):
            client, path = world.team.owner.client, path_of(line, things)
            got = submit(client, path) if method == "POST" else client.get(path).status_code
            assert got == 404, f"{line} {path}"


def test_calls_answer_each_program_as_the_matrix_says(world: World) -> None:
    wrong = []
    for line, expected in CALLS.items():
        for caller, status in zip(PROGRAMS, expected, strict=True):
            things = _fresh(world) if line.startswith("DELETE") and "/members/" in line else world.own
            got = call(world, line, things, caller)[0]
            if got != status:
                wrong.append(f"{line} as {caller}: {got}, not {status}")
    assert not wrong, "\n".join(wrong)


def test_foreign_and_absent_are_the_same_to_programs(world: World) -> None:
    for line in CALLS:
        if "/orgs/<uuid:org_id>" in line:
            foreign, absent = (call(world, line, things, "full") for things in (world.foreign, world.absent))
            assert foreign[0] == absent[0] == 404, line
            assert foreign[1] == absent[1], line


def call(world: World, line: str, things: dict[str, Any], caller: str) -> tuple[int, dict[str, Any]]:
    method = line.partition(" ")[0]
    if "/invites/<uuid:id>" in line and things is world.own:
        things = world.own | world.invite(world.org)
    token = world.tokens[caller]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    sends = method in ("POST", "PATCH", "PUT")
    named = {name: str(things[name]) for name in ("org_id", "member_id")}
    body = body_of(line, product_id=str(things["id"]), **named) if sends else None
    answer = world.app.test_client().open(path_of(line, things), method=method, headers=headers, json=body)
    told = answer.get_json(silent=True) or {}
    return answer.status_code, {name: value for name, value in told.items() if name != "request_id"}


def test_the_api_takes_no_cookie(world: World) -> None:
    for line in CALLS:
        if CALLS[line][0] == 401 and line.startswith("GET"):
            assert world.team.owner.client.get(path_of(line, world.own)).status_code == 401, line


def test_wrong_methods_are_refused(world: World) -> None:
    known = lines(world.app)
    for line in sorted(known):
        method, _, rule = line.partition(" ")
        for other in ("PUT", "DELETE", "PATCH"):
            if f"{other} {rule}" not in known and method == "GET" and "<path:filename>" not in rule:
                client = world.team.owner.client
                assert client.open(path_of(line, world.own), method=other).status_code in (403, 404, 405), line


def test_pages_are_never_kept_and_always_protected(world: World) -> None:
    for line in PAGES:
        if line.startswith("GET ") and "static" not in line:
            answer = world.team.manager.client.get(path_of(line, world.own))
            assert answer.headers["Cache-Control"] == "no-store", line
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"], line
            assert answer.headers["X-Content-Type-Options"] == "nosniff", line
