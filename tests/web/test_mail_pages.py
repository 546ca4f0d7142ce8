"""Where mails and receipts are looked at: while developing, by who may see payments, and by platform managers."""

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import select, text

from dashboard.core.db import autocommit, db, transaction
from dashboard.domain.audit import Actor
from dashboard.domain.messages import outbox
from dashboard.domain.organizations import organizations
from dashboard.domain.payments import fulfil
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.platform import overview
from dashboard.jobs import platform_provider
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, Membership, OutboxEmail, Payment
from tests.factories import make_pack
from tests.servers import Servers
from tests.web.admin.test_overview import assert_links_hold
from tests.web.people import Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def payment_id(app: Flask, team: Team) -> UUID:
    return bought(app, team)


def bought(app: Flask, team: Team, key: str = "k", *, by: Actor | None = None) -> UUID:
    """A credited payment of the team's owner."""
    with app.test_request_context(base_url="http://localhost"):
        owner = db.session.scalars(select(Membership.user_id).filter_by(org_id=team.org_id, role="owner")).one()
        org = organizations.by_id(team.org_id)
        assert org
        payment = checkout.open_checkout(
            checkout.Buyer(org, by or Actor("user", owner), None), make_pack("Starter"), provider=platform_provider(),
            quantity=1, success_url="http://localhost/ok", cancel_url="http://localhost/no", key=key,
            body_hash=key.encode().ljust(32, b"0"),
        )  # fmt: skip
        provider = platform_provider()
        provider.decide(payment.session_id or "", "paid")  # type: ignore[attr-defined]
        return fulfil.confirm(team.org_id, payment.id, provider=provider).id


def at(team: Team, payment_id: UUID) -> str:
    return f"/o/{team.slug}/payments/{payment_id}/receipt.pdf"


def mail_of(app: Flask, team: Team) -> str:
    with app.app_context():
        return f"{team.org_id}/{db.session.scalars(select(OutboxEmail.id).filter_by(org_id=team.org_id)).one()}"


def change(app: Flask, **values: Any) -> None:
    with app.app_context():
        for row in db.session.scalars(select(OutboxEmail)).all():
            with transaction(org=row.org_id):
                for name, value in values.items():
                    setattr(row, name, value)


def test_the_receipt_is_a_file_for_who_may_see_payments(team: Team, payment_id: UUID) -> None:
    for person in (team.owner, team.admin, team.viewer, team.manager):
        answer = person.get(at(team, payment_id))
        assert answer.status_code == 200
        assert answer.mimetype == "application/pdf"
        assert answer.headers["Content-Disposition"] == f'inline; filename="receipt-{payment_id}.pdf"'
        assert answer.headers["Cache-Control"] == "no-store"
        (page,) = PdfReader(io.BytesIO(answer.data)).pages
        assert str(payment_id) in page.extract_text()
    assert team.member.get(at(team, payment_id)).status_code == 403
    assert team.stranger.get(at(team, payment_id)).status_code == 404


def test_a_payment_without_a_credit_has_no_receipt(app: Flask, team: Team, payment_id: UUID) -> None:
    with app.app_context(), transaction(org=team.org_id):
        row = db.session.scalars(select(Payment).filter_by(id=payment_id)).one()
        row.state, row.transaction_id = "failed", None
    assert team.owner.get(at(team, payment_id)).status_code == 404
    assert team.owner.get(at(team, uuid4())).status_code == 404


def test_the_return_page_promises_the_mail_that_was_written(app: Flask, team: Team, payment_id: UUID) -> None:
    page = team.owner.get(f"/o/{team.slug}/buy/return?payment={payment_id}").text
    with app.app_context():
        address = db.session.scalars(select(OutboxEmail.to_address)).one()
    assert f"The receipt goes to {address}." in page
    assert at(team, payment_id) in page
    change(app, state="sent")
    assert f"The receipt went to {address}." in team.owner.get(f"/o/{team.slug}/buy/return?payment={payment_id}").text


def test_development_shows_every_mail(app: Flask, team: Team, payment_id: UUID) -> None:
    client = app.test_client()
    assert "No mail server is set up" in client.get("/dev/mail").text
    one = f"/dev/mail/{mail_of(app, team)}"
    assert one in client.get("/dev/mail").text
    page = client.get(one)
    assert "Receipt: $25.00 for Acme (test mode)" in page.text
    assert "frame-src &#39;self&#39;" not in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert str(payment_id) in page.text
    assert client.get(f"{one}/0").mimetype == "application/pdf"
    for path in (f"{one}/1", f"/dev/mail/{uuid4()}/{uuid4()}", f"/dev/mail/{team.org_id}/{uuid4()}/html"):
        assert client.get(path).status_code == 404


def test_a_mail_may_look_as_it_wants_and_do_nothing(app: Flask, team: Team, payment_id: UUID) -> None:
    answer = app.test_client().get(f"/dev/mail/{mail_of(app, team)}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert policy.endswith("; sandbox")
    assert "script" not in policy
    other = app.test_client().get("/dev/mail")
    assert "unsafe-inline" not in other.headers["Content-Security-Policy"]
    assert "frame-src" not in other.headers["Content-Security-Policy"]


def test_development_says_when_there_is_no_mail_yet(app: Flask) -> None:
    assert "No email yet" in app.test_client().get("/dev/mail").text


@pytest.fixture
def production(make_app: Callable[..., Flask]) -> Callable[..., Flask]:
    def make(**changes: Any) -> Flask:
        stripe = {"api_key": "sk_test_1", "webhook_secret": "whsec_1"}
        return make_app(
            environment="production", password_hashing="standard", base_url="https://coffer.test",
            payment={"provider": "stripe", "stripe": stripe}, **changes,
        )  # fmt: skip

    return make


def test_production_has_no_such_page(production: Callable[..., Flask]) -> None:
    made = production()
    assert not [rule for rule in made.url_map.iter_rules() if rule.rule.startswith("/dev")]
    assert made.test_client().get("/dev/mail").status_code == 404


@pytest.mark.parametrize(
    ("smtp", "kinds"), [({}, {"mail_unset"}), ({"url": "smtp://127.0.0.1:9", "from": "a@b.test"}, {"mail_waiting"})]
)
def test_waiting_mail_is_on_the_work_list(
    app: Flask, team: Team, payment_id: UUID, production: Callable[..., Flask], smtp: dict[str, str], kinds: set[str]
) -> None:
    with app.app_context():
        autocommit().execute(text("UPDATE outbox_emails SET created_at = now() - interval '10 minutes'"))
        assert not mail_kinds()  # while developing they are meant to stay
    with production(smtp=smtp).app_context():
        assert mail_kinds() == kinds
        autocommit().execute(text("UPDATE outbox_emails SET state = 'parked'"))
        assert mail_kinds() == {"mail_parked"}
        autocommit().execute(text("UPDATE outbox_emails SET state = 'sent'"))
        assert not mail_kinds()


def mail_kinds() -> set[str]:
    return {item.kind for item in overview.work_list("test") if item.kind.startswith("mail")}


def test_managers_see_what_was_not_sent_and_send_it_again(app: Flask, team: Team, payment_id: UUID) -> None:
    change(app, state="parked", error="550 no such user")
    assert "Emails parked" in team.manager.get("/admin/").text
    page = team.manager.get("/admin/mail").text
    assert "550 no such user" in page
    assert "Send again" in page
    path = f"/admin/mail/{mail_of(app, team)}/retry"
    for person in (team.owner, team.stranger):
        assert person.post(path).status_code == 403
    assert team.manager.post(path).status_code == 303
    with app.app_context():
        row = db.session.scalars(select(OutboxEmail)).one()
        assert (row.state, row.attempts) == ("waiting", 0)
        assert outbox.owed(team.org_id, row.key)
        entry = db.session.scalars(select(AuditEntry).filter_by(action="email.retried")).one()
        assert entry.before == {"state": "parked", "error": "550 no such user"}
    assert team.manager.post(path).status_code == 409
    assert team.manager.post(f"/admin/mail/{team.org_id}/{uuid4()}/retry").status_code == 404


def test_managers_are_told_when_nothing_waits(app: Flask, team: Team, payment_id: UUID) -> None:
    change(app, state="sent")
    assert "No undelivered email" in team.manager.get("/admin/mail").text


def test_a_parked_mail_is_given_up_and_leaves_the_work_list(app: Flask, team: Team, payment_id: UUID) -> None:
    here = f"/admin/mail/{mail_of(app, team)}"
    assert team.manager.post(f"{here}/dismiss").status_code == 409  # it waits, and may still go out
    change(app, state="parked", error="The mail server answered 550 No such mailbox")
    assert "Emails parked" in team.manager.get("/admin/").text
    assert f"{here}/dismiss" in team.manager.get("/admin/mail").text
    assert team.manager.post(f"{here}/dismiss").status_code == 303
    assert "No undelivered email" in team.manager.get("/admin/mail").text
    assert "Emails parked" not in team.manager.get("/admin/").text
    assert team.manager.post(f"{here}/retry").status_code == 409
    assert "The receipt goes" not in team.owner.get(f"/o/{team.slug}/buy/return?payment={payment_id}").text
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(action="email.dismissed")).one()
        assert (entry.org_id, entry.actor_kind) == (team.org_id, "manager")


def test_a_mail_of_the_platform_leads_to_no_organization(app: Flask, team: Team, payment_id: UUID) -> None:
    team.manager.post("/admin/system/test-mail")
    page = team.manager.get("/admin/mail").text
    assert page.count('data-th="Organization"') == 2
    assert f"/admin/orgs/{PLATFORM_ORG_ID}" not in page
    assert f'href="/admin/orgs/{team.org_id}"' in page
    assert_links_hold(team, page)
