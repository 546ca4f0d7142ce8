"""Granting and removing credits: nothing moves before the review is confirmed, and then once."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.funds import wallets
from dashboard.domain.people import users
from dashboard.models import AuditEntry, CreditGrant, Organization, Transaction, User
from tests.each import each
from tests.factories import charge, wallet_of
from tests.servers import Servers
from tests.web.people import Team, hidden, ready_team, token_in

FUNDS = 10_000_000
BAD_AMOUNTS = [
    "", " ", "0", "0.0", "0.000000", "-1", "-0", "+1", "NaN", "nan", "Infinity", "-Infinity", "inf", "1e3", "1e-30",
    "1E+999999", "9223372036854775808", "18446744073709551616", "1_000", "１０", "٣", "0.1+0.2", "1,5", "1,000.00",
    "1 000", "1.0000001", "0.0000001", ".5", "5.", "1..2", "0x10", "$5", "5 USD", "five", "½", "1\n2", "1\x00",
    "1" * 5_000, "--5", "=5", "true", "null", "[]", "1/2",
]  # fmt: skip
REVIEWED = {"goodwill": "promotional", "promotion": "promotional", "correction": "promotional", "contract": "paid"}


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=FUNDS)


@pytest.fixture
def balance(app: Flask, team: Team) -> Callable[[], int]:
    def read() -> int:
        with app.app_context():
            return wallets.of_organization(team.org_id, "test").balance

    return read


def path(team: Team, act: str = "grant") -> str:
    return f"/admin/orgs/{team.org_id}/{act}"


def form(**changes: Any) -> dict[str, Any]:
    return {"amount": "5", "category": "goodwill", "reason": "Outage on 17 Nov"} | changes


def removal(**changes: Any) -> dict[str, Any]:
    return form(category="correction") | changes


def confirmed(page: str, **changes: Any) -> dict[str, Any]:
    """The fields of the review's own form, with the amount typed again where it is asked for."""
    names = ("amount", "category", "reason", "idempotency_key", "confirm")
    fields = {name: hidden(page, name) for name in names}
    return fields | ({"amount_again": fields["amount"]} if "amount_again" in page else {}) | changes


def rows(app: Flask, team: Team, type: str) -> list[Transaction]:
    with app.app_context():
        return list(db.session.scalars(select(Transaction).filter_by(org_id=team.org_id, type=type, origin="operator")))


def test_a_review_shows_before_change_and_after_and_moves_nothing(team: Team, balance: Callable[[], int]) -> None:
    answer = team.manager.post(path(team), form(amount="2.5"))
    assert answer.status_code == 200
    for text in ("$10.00", "+$2.50", "$12.50", "Outage on 17 Nov", "Grant $2.50", "Who sees it"):
        assert text in answer.text
    assert balance() == FUNDS


def test_the_review_confirms_with_its_own_form(app: Flask, team: Team, balance: Callable[[], int]) -> None:
    page = team.manager.get(path(team)).text
    key = hidden(page, "idempotency_key")
    review = team.manager.post(path(team), form(amount="0.000001", idempotency_key=key)).text
    answer = team.manager.post(path(team), confirmed(review))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/admin/orgs/{team.org_id}")
    assert balance() == FUNDS + 1
    [row] = rows(app, team, "admin_grant")
    assert (row.key, row.reason, row.actor_kind) == (key, "Outage on 17 Nov", "manager")
    page = team.manager.get(answer.headers["Location"]).text
    assert "Granted $0.000001" in page
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(org_id=team.org_id, action="credits.granted")).one()
        assert (entry.actor_kind, entry.reason) == ("manager", "Outage on 17 Nov")
        assert entry.after == {"balance": FUNDS + 1, "amount": 1, "category": "goodwill"}


@pytest.mark.parametrize(("category", "kind"), REVIEWED.items())
def test_contract_counts_as_paid_and_the_others_as_promotional(
    app: Flask, team: Team, category: str, kind: str
) -> None:
    review = team.manager.post(path(team), form(category=category)).text
    assert team.manager.post(path(team), confirmed(review)).status_code == 303
    [row] = rows(app, team, "admin_grant")
    with app.app_context():
        part = db.session.scalars(select(CreditGrant).filter_by(org_id=team.org_id, transaction_id=row.id)).one()
    assert (part.kind, part.category, part.amount) == (kind, category, 5_000_000)


def test_confirming_twice_is_once(app: Flask, team: Team, balance: Callable[[], int]) -> None:
    fields = confirmed(team.manager.post(path(team), form()).text)
    assert [team.manager.post(path(team), fields).status_code for _ in range(3)] == [303] * 3
    assert balance() == FUNDS + 5_000_000
    assert "already" in team.manager.get(f"/admin/orgs/{team.org_id}").text
    with app.app_context():
        many = select(func.count()).select_from(AuditEntry).filter_by(org_id=team.org_id, action="credits.granted")
        assert db.session.scalar(many) == 1


def test_confirming_at_once_from_many_windows_is_once(app: Flask, team: Team, balance: Callable[[], int]) -> None:
    fields = confirmed(team.manager.post(path(team), form()).text)
    fields["csrf_token"] = token_in(team.manager.get("/no-organization").text)
    cookie = team.manager.client.get_cookie("coffer")
    assert cookie

    def send(_: int) -> int:
        client = app.test_client()
        client.set_cookie("coffer", cookie.value)
        return client.post(path(team), data=fields).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(send, range(6))) == [303] * 6
    assert balance() == FUNDS + 5_000_000


def test_a_key_that_was_confirmed_takes_no_other_values(team: Team, balance: Callable[[], int]) -> None:
    fields = confirmed(team.manager.post(path(team), form()).text)
    team.manager.post(path(team), fields)
    for change in ({"amount": "6"}, {"reason": "another"}, {"category": "promotion"}):
        answer = team.manager.post(path(team), fields | change)
        assert answer.status_code == 422
        assert hidden(answer.text, "idempotency_key") != fields["idempotency_key"]
    assert balance() == FUNDS + 5_000_000


@pytest.mark.parametrize("act", ["grant", "remove"])
def test_odd_amounts_are_refused_and_move_nothing(team: Team, balance: Callable[[], int], act: str) -> None:
    fields = {**form(), "csrf_token": token_in(team.manager.get("/no-organization").text)}
    for amount in BAD_AMOUNTS:
        for confirm in ({}, {"confirm": "1"}):
            answer = team.manager.client.post(path(team, act), data=fields | {"amount": amount} | confirm)
            assert answer.status_code == 422, repr(amount)
            assert 'aria-invalid="true"' in answer.text
    assert balance() == FUNDS


@each("name", ["amount", "category", "reason", "idempotency_key", "expires_at", "priority", "grant_id"])
def test_two_fields_of_one_name_are_refused(team: Team, balance: Callable[[], int], name: str) -> None:
    fields = MultiDict({**form(), "confirm": "1", "csrf_token": token_in(team.manager.get("/no-organization").text)})
    fields.setlist(name, ["1", "2"])
    assert team.manager.client.post(path(team), data=fields).status_code == 422
    assert balance() == FUNDS


@each(
    "change",
    [
        {"category": ""}, {"category": "gift"}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501},
        {"reason": "a\x00b"}, {"expires_at": "2026-01-01"}, {"expires_at": "soon"}, {"idempotency_key": "k" * 256},
        {"idempotency_key": "ü"}, {"priority": "-1"}, {"priority": "101"}, {"priority": "1.5"}, {"priority": "ten"},
        {"priority": "1e1"}, {"priority": "٣"}, {"priority": "1" * 5_000},
    ],
)  # fmt: skip
def test_odd_fields_are_refused_and_what_was_typed_is_kept(
    team: Team, balance: Callable[[], int], change: dict[str, str]
) -> None:
    answer = team.manager.post(path(team), form(amount="7.25", confirm="1") | change)
    assert (answer.status_code, 'value="7.25"' in answer.text) == (422, True)
    assert balance() == FUNDS


def test_everything_odd_is_said_at_once(team: Team) -> None:
    page = team.manager.post(path(team), form(amount="1e3", category="", reason="")).text
    assert page.count('aria-invalid="true"') == 3
    assert "Check these entries" in page


def test_a_removal_is_bounded_by_the_balance(app: Flask, team: Team, balance: Callable[[], int]) -> None:
    for fields in (removal(amount="10.000001"), removal(amount="10.000001", confirm="1")):
        answer = team.manager.post(path(team, "remove"), fields)
        assert (answer.status_code, "more than the balance of $10.00" in answer.text) == (422, True)
    assert balance() == FUNDS
    review = team.manager.post(path(team, "remove"), removal(amount="10")).text
    assert "This stops the service" in review
    assert team.manager.post(path(team, "remove"), confirmed(review)).status_code == 303
    assert balance() == 0
    [row] = rows(app, team, "admin_removal")
    assert (row.amount, row.actor_kind) == (-FUNDS, "manager")


def test_a_removal_may_go_below_zero_where_that_is_said(team: Team, balance: Callable[[], int]) -> None:
    review = team.manager.post(path(team, "remove"), removal(amount="12", allow_negative="1")).text
    assert "The balance goes below zero" in review
    fields = confirmed(review, allow_negative=hidden(review, "allow_negative"))
    assert team.manager.post(path(team, "remove"), fields).status_code == 303
    assert balance() == -2_000_000


def test_a_balance_spent_meanwhile_is_not_overdrawn(app: Flask, team: Team, balance: Callable[[], int]) -> None:
    review = team.manager.post(path(team, "remove"), removal(amount="8")).text
    with app.app_context():
        org = db.session.get(Organization, team.org_id)
        assert org
        charge(wallet_of(org), 5_000_000)
    answer = team.manager.post(path(team, "remove"), confirmed(review))
    assert (answer.status_code, "more than the balance of $5.00" in answer.text) == (422, True)
    assert balance() == 5_000_000


def test_a_removal_says_what_it_takes_and_asks_why_paid_credit(
    app: Flask, team: Team, balance: Callable[[], int]
) -> None:
    review = team.manager.post(path(team), form(amount="90", category="contract")).text
    team.manager.post(path(team), confirmed(review))
    review = team.manager.post(path(team, "remove"), removal(amount="10")).text
    assert "paid_reason" not in review
    review = team.manager.post(path(team, "remove"), removal(amount="30")).text
    assert re.search(r">\$10\.00</span> promotional, <[^>]+>\$20\.00</span> paid", review)
    assert "This takes $20.00 that was paid for" in review
    for reason in ("", "  ", "a\x00b"):
        answer = team.manager.post(path(team, "remove"), confirmed(review, paid_reason=reason))
        assert (answer.status_code, 'id="f-paid_reason-error"' in answer.text) == (422, True)
    assert balance() == FUNDS + 90_000_000
    fields = confirmed(review, paid_reason="Charged back")
    assert [team.manager.post(path(team, "remove"), fields).status_code for _ in range(2)] == [303] * 2
    assert balance() == FUNDS + 60_000_000
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(org_id=team.org_id, action="credits.removed")).one()
    assert entry.after
    assert (entry.after["paid_micros"], entry.after["paid_reason"]) == (20_000_000, "Charged back")
    [row] = rows(app, team, "admin_removal")
    assert row.description == "Removal: correction"


def test_a_grant_has_the_priority_that_was_typed(app: Flask, team: Team) -> None:
    for typed, kept in (("", 0), ("0", 0), (" 007 ", 7), ("100", 100)):
        review = team.manager.post(path(team), form(category="promotion", priority=typed)).text
        assert f"<dt>Priority</dt><dd>{kept}</dd>" in review
        more = {"priority": hidden(review, "priority")} if kept else {}
        assert team.manager.post(path(team), confirmed(review, **more)).status_code == 303
    with app.app_context():
        query = select(CreditGrant.priority).filter_by(org_id=team.org_id, category="promotion")
        assert list(db.session.scalars(query.order_by(CreditGrant.id))) == [0, 0, 7, 100]


def test_a_removal_can_name_its_grant(app: Flask, team: Team, balance: Callable[[], int]) -> None:
    for category in ("contract", "goodwill"):
        review = team.manager.post(path(team), form(category=category)).text
        team.manager.post(path(team), confirmed(review))
    with app.app_context():
        query = select(CreditGrant.id).filter_by(org_id=team.org_id, amount=5_000_000)
        contract, goodwill = (str(db.session.scalars(query.filter_by(category=name)).one())
                              for name in ("contract", "goodwill"))  # fmt: skip
    page = team.manager.get(path(team, "remove")).text
    choices = re.findall(r'<option value="([^"]*)"[^>]*>([^<]*credit[^<]*)</option>', page)
    assert (goodwill, "Goodwill credit, $5.00 left of $5.00") in choices
    assert choices[-1] == (contract, "Contract credit, $5.00 left of $5.00")

    refused = team.manager.post(path(team, "remove"), removal(amount="5.01", grant_id=contract))
    assert (refused.status_code, "Only $5.00 is left of this grant" in refused.text) == (422, True)
    assert f'value="{contract}" selected' in refused.text
    refused = team.manager.post(path(team, "remove"), removal(grant_id=contract, allow_negative="1", confirm="1"))
    assert (refused.status_code, "below zero" in refused.text) == (422, True)
    for odd in ("x", str(team.org_id)):
        refused = team.manager.post(path(team, "remove"), removal(grant_id=odd))
        assert (refused.status_code, 'id="f-grant_id-error"' in refused.text) == (422, True), odd

    review = team.manager.post(path(team, "remove"), removal(amount="2", grant_id=contract)).text
    assert "This takes $2.00 that was paid for" in review
    assert "Contract credit, $5.00 left of $5.00" in review
    fields = confirmed(review, grant_id=hidden(review, "grant_id"))
    assert team.manager.post(path(team, "remove"), fields).status_code == 422
    fields["paid_reason"] = "Charged back"
    assert [team.manager.post(path(team, "remove"), fields).status_code for _ in range(2)] == [303] * 2
    assert balance() == FUNDS + 8_000_000
    [row] = rows(app, team, "admin_removal")
    assert str(row.grant_id) == contract


def test_promotional_credit_spent_meanwhile_does_not_make_it_paid(
    app: Flask, team: Team, balance: Callable[[], int]
) -> None:
    review = team.manager.post(path(team), form(amount="90", category="contract")).text
    team.manager.post(path(team), confirmed(review))
    fields = confirmed(team.manager.post(path(team, "remove"), removal(amount="10")).text)
    with app.app_context():
        org = db.session.get(Organization, team.org_id)
        assert org
        charge(wallet_of(org), 4_000_000)
    answer = team.manager.post(path(team, "remove"), fields)
    assert (answer.status_code, "This takes $4.00 that was paid for" in answer.text) == (422, True)
    assert balance() == FUNDS + 86_000_000


@pytest.mark.parametrize(("act", "amount"), [("grant", "100.01"), ("remove", "5.000001")])
def test_a_large_amount_is_typed_again(team: Team, balance: Callable[[], int], act: str, amount: str) -> None:
    review = team.manager.post(path(team, act), removal(amount=amount)).text
    for again in ("", "5", "x", amount + "1"):
        answer = team.manager.post(path(team, act), confirmed(review, amount_again=again))
        assert (answer.status_code, 'id="f-amount_again-error"' in answer.text) == (422, True)
    assert balance() == FUNDS
    assert team.manager.post(path(team, act), confirmed(review, amount_again=f"{amount} ")).status_code == 303


@pytest.mark.parametrize(("act", "category"), [("grant", "fraud"), ("remove", "goodwill"), ("remove", "contract")])
def test_grants_and_removals_have_categories_of_their_own(team: Team, act: str, category: str) -> None:
    answer = team.manager.post(path(team, act), form(category=category))
    assert (answer.status_code, 'id="f-category-error"' in answer.text) == (422, True)
    assert f'value="{category}"' not in answer.text


def test_the_largest_amount_is_refused_where_the_balance_cannot_hold_it(app: Flask, team: Team) -> None:
    for _ in range(9):
        review = team.manager.post(path(team), form(amount="999999999999.999999")).text
        assert team.manager.post(path(team), confirmed(review)).status_code == 303
    review = team.manager.post(path(team), form(amount="999999999999.999999")).text
    assert team.manager.post(path(team), confirmed(review)).status_code == 422


def test_a_person_leads_to_their_own_organization(app: Flask, team: Team) -> None:
    with app.app_context():
        user = db.session.query(User).filter_by(name="Olga Owner").one()
        own = users.personal_organization(user.id)
        manager = db.session.query(User).filter_by(platform_role="platform_manager").one()
        assert own
        user_id, own_id, manager_id = user.id, own.id, manager.id
    for act in ("grant", "remove"):
        answer = team.manager.get(f"/admin/users/{user_id}/{act}")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/admin/orgs/{own_id}/{act}")
        assert team.manager.post(f"/admin/users/{user_id}/{act}", form()).status_code == 307
        assert team.manager.get(f"/admin/users/{manager_id}/{act}").status_code == 404


def test_a_closed_organization_takes_no_credits(app: Flask, team: Team) -> None:
    with app.app_context(), transaction(org=team.org_id):
        org = db.session.get(Organization, team.org_id)
        assert org
        org.closed_at = clock.now() - timedelta(days=1)
    assert team.manager.post(path(team), form(confirm="1")).status_code == 404
    assert team.manager.get(f"/admin/orgs/{team.org_id}").status_code == 200


def test_a_reason_is_text_wherever_it_stands(team: Team) -> None:
    nasty = "<img src=x onerror=alert(1)>\"'</dd>{{ 7*7 }}"
    review = team.manager.post(path(team), form(reason=nasty)).text
    assert "<img" not in review
    # hidden() reads the value from the page, still escaped: the browser would send it unescaped.
    fields = confirmed(review, reason=nasty)
    assert team.manager.post(path(team), fields).status_code == 303
    for address in (f"/admin/orgs/{team.org_id}", path(team)):
        page = team.manager.get(address).text
        assert "&lt;img src=x" in page
        assert "<img" not in page
        assert "{{ 7*7 }}" in page
