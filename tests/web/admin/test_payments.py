"""Payments of all organizations, and the review: both sides shown, a reason asked for, decided once."""

from uuid import UUID, uuid4

import pytest
from flask import Flask

from dashboard.core.db import db
from dashboard.domain.funds import wallets
from dashboard.models import AuditEntry, Payment, Transaction
from tests.each import each
from tests.factories import make_org
from tests.servers import Servers
from tests.web.people import Team, ready_team
from tests.web.test_payments import buy

REASON = "The customer was shown this price; agreed in ticket 4821"
ACTS = ("accept", "reject")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def payment_id(app: Flask, team: Team) -> UUID:
    """A payment in review: sold for $25.00 with $1.00 bonus, a cent was taken."""
    return buy(app, team.org_id, "review")


def balance(app: Flask, team: Team) -> int:
    with app.app_context():
        return wallets.of_organization(team.org_id, "test").balance


def state(app: Flask, payment_id: UUID) -> str:
    with app.app_context():
        return db.session.query(Payment.state).filter_by(id=payment_id).scalar()


def test_the_list_goes_over_all_organizations_by_state(app: Flask, team: Team, payment_id: UUID) -> None:
    with app.app_context():
        other = make_org("Elsewhere")
        other_id = other.id
    theirs = buy(app, other_id, "paid")
    queries = {
        "": {payment_id, theirs}, "state=review": {payment_id}, "state=credited": {theirs}, f"org={other_id}": {theirs},
        f"q={theirs}": {theirs}, "q=starter": {payment_id, theirs}, f"org={uuid4()}": set(),
    }  # fmt: skip
    for query, expected in queries.items():
        page = team.manager.get(f"/admin/payments?{query}", htmx=True).text
        assert {one for one in (payment_id, theirs) if f"/admin/payments/{one}" in page} == expected, query
    for query in ("org=x", "state=x", "cursor=x"):
        assert team.manager.get(f"/admin/payments?{query}").status_code == 422, query


def test_without_payments_it_says_so(team: Team) -> None:
    assert "No payments yet." in team.manager.get("/admin/payments").text


def test_the_work_list_and_the_organization_lead_to_the_review(team: Team, payment_id: UUID) -> None:
    assert 'href="/admin/payments?state=review"' in team.manager.get("/admin/").text
    assert f"/admin/payments/{payment_id}" in team.manager.get(f"/admin/orgs/{team.org_id}").text


def test_both_sides_stand_beside_each_other(app: Flask, team: Team, payment_id: UUID) -> None:
    page = team.manager.get(f"/admin/payments/{payment_id}").text
    for text in ("Sold and paid", "$25.00", "$0.01", "Differs", "Held for review", "/accept", "/reject"):
        assert text in page, text
    with app.app_context():
        visit = db.session.query(AuditEntry).filter_by(org_id=team.org_id, action="organization.visited").one()
        assert visit.object_id == f"/admin/payments/{payment_id}"


def test_accepting_is_reviewed_then_credits_once(app: Flask, team: Team, payment_id: UUID) -> None:
    here = f"/admin/payments/{payment_id}/accept"
    assert "$26.00, exactly what was sold" in team.manager.get(here).text
    review = team.manager.post(here, {"reason": REASON}).text
    for text in ("Nothing has changed yet", "+$26.00", REASON, "Runs out"):
        assert text in review, text
    assert balance(app, team) == 0
    for _ in range(2):  # a double click
        answer = team.manager.post(here, {"reason": REASON, "confirm": "1"})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/admin/payments/{payment_id}")
    assert (balance(app, team), state(app, payment_id)) == (26_000_000, "credited")
    assert "Nothing was changed twice" in team.manager.get(f"/admin/payments/{payment_id}").text
    with app.app_context():
        row = db.session.query(Transaction).filter_by(org_id=team.org_id).one()
        entry = db.session.query(AuditEntry).filter_by(action="payment.accepted").one()
        assert (row.reason, entry.reason, entry.actor_kind, entry.org_id) == (REASON, REASON, "manager", team.org_id)
    page = team.owner.get(f"/o/{team.slug}/payments/{payment_id}").text
    assert f"Platform manager: {REASON}" in page


def test_rejecting_credits_nothing_and_tells_the_organization(app: Flask, team: Team, payment_id: UUID) -> None:
    here = f"/admin/payments/{payment_id}/reject"
    assert "Nothing has changed yet" in team.manager.post(here, {"reason": REASON}).text
    assert state(app, payment_id) == "review"
    assert team.manager.post(here, {"reason": REASON, "confirm": "1"}).status_code == 303
    assert (balance(app, team), state(app, payment_id)) == (0, "failed")
    page = team.owner.get(f"/o/{team.slug}/payments/{payment_id}").text
    assert "Rejected after review" in page
    assert REASON in page
    assert "Buy again" not in page


@each("act", ACTS)
@each("reason", ["", "   ", "x" * 501])
def test_without_a_good_reason_the_form_comes_back(
    app: Flask, team: Team, payment_id: UUID, act: str, reason: str
) -> None:
    for more in ({}, {"confirm": "1"}):
        answer = team.manager.post(f"/admin/payments/{payment_id}/{act}", {"reason": reason, **more})
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    assert state(app, payment_id) == "review"


@pytest.mark.parametrize("act", ACTS)
def test_nobody_but_a_manager_decides(app: Flask, team: Team, payment_id: UUID, act: str) -> None:
    here, form = f"/admin/payments/{payment_id}/{act}", {"reason": REASON, "confirm": "1"}
    for person in (team.owner, team.admin, team.member, team.viewer, team.stranger):
        assert person.get(here).status_code == 403
        assert person.post(here, form).status_code == 403
        assert person.get(f"/admin/payments/{payment_id}").status_code == 403
        assert person.get("/admin/payments").status_code == 403
    assert (balance(app, team), state(app, payment_id)) == (0, "review")


def test_what_is_decided_is_not_decided_again(app: Flask, team: Team, payment_id: UUID) -> None:
    form = {"reason": REASON, "confirm": "1"}
    team.manager.post(f"/admin/payments/{payment_id}/reject", form)
    assert team.manager.get(f"/admin/payments/{payment_id}/accept").status_code == 409
    assert team.manager.post(f"/admin/payments/{payment_id}/accept", {"reason": REASON}).status_code == 409
    assert team.manager.post(f"/admin/payments/{payment_id}/accept", form).status_code == 409
    assert balance(app, team) == 0


def test_an_absent_payment_is_not_found(team: Team) -> None:
    for path in ("", "/accept", "/reject"):
        assert team.manager.get(f"/admin/payments/{uuid4()}{path}").status_code == 404


def test_reasons_are_text_on_every_page(app: Flask, team: Team, payment_id: UUID) -> None:
    reason = "<script>alert(1)</script>"
    review = team.manager.post(f"/admin/payments/{payment_id}/reject", {"reason": reason}).text
    team.manager.post(f"/admin/payments/{payment_id}/reject", {"reason": reason, "confirm": "1"})
    pages = [review, team.manager.get(f"/admin/payments/{payment_id}").text]
    pages.append(team.owner.get(f"/o/{team.slug}/payments/{payment_id}").text)
    pages.append(team.owner.get(f"/o/{team.slug}/payments").text)
    assert not any("<script>alert" in page for page in pages)
