"""Invites under pressure: guesses, floods of mail, many at once."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import Conflict, Invalid, TooManyRequests
from dashboard.domain import rate_limits
from dashboard.domain.messages import outbox
from dashboard.domain.organizations import invites, memberships, organizations
from dashboard.domain.organizations.invites import UnknownInvite
from dashboard.domain.people import users
from dashboard.models import Invite, Membership, Organization, OutboxEmail, User
from tests.concurrency import at_once, head_on
from tests.factories import add_member, make_org, make_user
from tests.invites import GRACE, IP, accept, look, refused, resend, revoke, right, send, token_of


@pytest.fixture
def owner(app: Flask) -> User:
    with app.app_context():
        return make_user(name="Olga Owner")


@pytest.fixture
def org(app: Flask, owner: User) -> Organization:
    with app.app_context():
        return make_org("Acme", owner=owner)


@pytest.fixture(autouse=True)
def _request(app: Flask) -> Any:
    """Links name the host of a request."""
    with app.test_request_context(base_url="http://localhost"):
        yield


def test_a_token_that_never_was_is_the_same_however_it_looks(org: Organization, owner: User) -> None:
    token = token_of(send(org, owner))
    part, _, secret = token.partition("_")
    odd = ["", "x", part, f"{part}_", f"{part}_{secret}x", f"{part}_{secret[:-1]}", f"{uuid4().hex}_{secret}"]
    odd += [f"{part.upper()}_{secret.upper()}", f"{'z' * 32}_{secret}", "\x00", f"{part}_\x00", "ü" * 40, "a" * 10_000]
    told = {(error.status, error.code, error.detail) for error in (refused(look, one) for one in odd)}
    assert len(told) == 1
    assert told.pop()[:2] == (404, "not_found")


def test_one_person_bothers_an_address_only_so_often_from_however_many_organizations(owner: User) -> None:
    for _ in range(rate_limits.INVITE_PAIR.most):
        send(make_org(owner=owner), owner)
    error = refused(send, make_org(owner=owner), owner)
    assert isinstance(error, TooManyRequests)


def test_nobody_uses_up_what_an_address_may_get_from_others(org: Organization, owner: User) -> None:
    for _ in range(5):  # each sends what one person may
        stranger = make_user()
        row = send(make_org(owner=stranger), stranger)
        for _ in range(rate_limits.INVITE_PAIR.most - 1):
            with suppress(TooManyRequests):
                resend(row, stranger)
    row = send(org, owner)
    assert row.state == "pending"
    assert isinstance(refused(resend, row, owner), TooManyRequests), "more than one mail stands in the common count"


def test_a_new_organization_invites_fewer_until_it_pays(app: Flask, org: Organization, owner: User) -> None:
    fill(rate_limits.INVITE_NEW, str(owner.id))
    assert isinstance(refused(send, org, owner), TooManyRequests)
    with clock.at(clock.now() + timedelta(hours=23)):
        fill(rate_limits.INVITE_NEW, str(owner.id))  # the count may be of another day by then
        assert isinstance(refused(send, org, owner), TooManyRequests)
    old = make_org("Old", owner=owner)
    with transaction(org=old.id):
        old.created_at -= timedelta(days=2)
    assert send(old, owner).state == "pending"


NAMES = {
    "Coffer Security: confirm at https://evil.example/login": False,
    "Coffer WWW.evil.example": False,
    "Coffer evil.example/login": True,
    "evil.example/login@coffer.test": True,
    "billing@evil.example": True,
    "Booking.com": True,
    "Dr. No & St.John, Inc.": True,
}


@pytest.mark.parametrize("name", NAMES)
def test_names_carry_no_links_into_mails(org: Organization, owner: User, name: str) -> None:
    """New names cannot hold a plain link; whatever a name holds, also an older one, is no link in a mail."""
    try:
        allowed = users.checked_name(name) == name
    except Invalid as refusal:
        allowed = refusal.field != "name"
    assert allowed == NAMES[name]
    with transaction():
        for table, id_ in (("organizations", org.id), ("users", owner.id)):
            db.session.execute(db.text(f"UPDATE {table} SET name = :name WHERE id = :id"), {"name": name, "id": id_})
    db.session.expire_all()
    row = send(org, owner)
    mail = db.session.scalars(select(OutboxEmail).filter_by(to_address=row.email)).one()
    letter = outbox.rendered(mail)
    for part in (letter.subject, letter.text, letter.html):
        words = part.replace("http://localhost/invite/", "").replace(row.email, "")
        assert "evil.example" not in words
        assert "Booking.com" not in words
        assert "https://" not in words
        assert name.split()[0].partition(".")[0] in words


def test_guesses_are_limited_by_address(org: Organization, owner: User) -> None:
    token = token_of(send(org, owner))
    for _ in range(rate_limits.INVITE_GUESS.most):
        with pytest.raises(UnknownInvite):
            invites.find(f"{org.id.hex}_guess", ip=IP)
    for one in (f"{org.id.hex}_guess", token):
        with pytest.raises(TooManyRequests):
            invites.find(one, ip=IP)
    assert invites.find(token, ip="198.51.100.9").email == GRACE
    with clock.at(clock.now() + timedelta(minutes=31)):
        assert invites.find(token, ip=IP).email == GRACE


def test_mails_to_one_address_are_limited(org: Organization, owner: User) -> None:
    row = send(org, owner)
    for _ in range(rate_limits.INVITE_ADDRESS.most - 1):
        resend(row, owner)
    before = token_of(row)
    assert isinstance(refused(resend, row, owner), TooManyRequests)
    revoke(row, owner)
    assert isinstance(refused(send, org, owner), TooManyRequests)
    assert token_of(row) == before
    assert send(org, owner, "other@example.test").state == "pending"


def test_mails_of_one_inviter_are_limited_over_all_organizations(org: Organization, owner: User) -> None:
    other = make_org("Elsewhere", owner=owner)
    fill(rate_limits.INVITE_INVITER, str(owner.id))
    for one in (org, other):
        assert isinstance(refused(send, one, owner), TooManyRequests)
    assert send(org, add_member(org, "admin")).state == "pending"


def fill(limit: rate_limits.Limit, subject: str) -> None:
    with transaction():
        for _ in range(limit.most):
            rate_limits.exceeded(limit, subject)


def test_an_organization_has_only_so_many_open_invites(org: Organization, owner: User) -> None:
    with transaction(org=org.id) as session:
        session.add_all(
            Invite(org_id=org.id, email=f"p{n}@example.test", role="viewer", token_hash=bytes([n % 256, n // 256]),
                   invited_by=owner.id, expires_at=clock.now() + timedelta(days=1))
            for n in range(invites.MOST_OPEN)
        )  # fmt: skip
    refusal = refused(send, org, owner)
    assert isinstance(refusal, Conflict)
    assert refusal.code == "too_many_invites"


def test_many_at_once_each_get_their_own_answer(org: Organization, owner: User) -> None:
    send(org, owner)
    add_member(org, "viewer", user=make_user("viewer@example.test"))
    typed = (
        "Ada <ada@example.test>, grace@example.test; no-address\nviewer@example.test ADA@example.test bo@example.test"
    )
    addresses = invites.addresses_in(typed)
    found = invites.invite_each(org, addresses, role="member", inviter=owner.id, **right(org, owner))
    assert [(one.address, one.code) for one in found] == [
        ("ada@example.test", "sent"), ("grace@example.test", "already_invited"), ("no-address", "invalid"),
        ("viewer@example.test", "already_member"), ("bo@example.test", "sent"),
    ]  # fmt: skip
    assert all(bool(one.invite) == (one.code == "sent") and bool(one.detail) == (one.code != "sent") for one in found)
    assert db.session.scalar(select(func.count()).select_from(OutboxEmail)) == 3
    for odd in ("", " ,;\n", " ".join(f"p{n}@x.test" for n in range(101))):
        with pytest.raises(Invalid):
            invites.addresses_in(odd)


def test_fifty_acceptances_at_once_make_one_membership(app: Flask, org: Organization, owner: User) -> None:
    token, grace = token_of(send(org, owner)), make_user(GRACE)
    ends = at_once(app, 50, lambda _: accept(token, users.by_email(GRACE)).role)
    assert ends == {"member": 1, "invite_used": 49}
    found = db.session.scalars(select(Membership).filter_by(org_id=org.id, user_id=grace.id)).all()
    assert len(found) == 1


def test_ten_invites_of_one_address_at_once_are_one(app: Flask, org: Organization, owner: User) -> None:
    def work(_: int) -> str:
        with app.test_request_context(base_url="http://localhost"):
            return send(organizations.by_id(org.id), users.by_id(owner.id)).state

    assert at_once(app, 10, work) == {"pending": 1, "already_invited": 9}
    assert db.session.scalar(select(func.count()).select_from(OutboxEmail)) == 1


def test_withdrawing_and_accepting_at_once_end_in_one_of_both(app: Flask, org: Organization, owner: User) -> None:
    row = send(org, owner)
    token, grace = token_of(row), make_user(GRACE)

    def withdraw() -> str:
        return revoke(invites.with_id(org.id, row.id), users.by_id(owner.id)).state

    ends = head_on(app, withdraw, lambda: accept(token, users.by_email(GRACE)).role)
    assert ends in (["revoked", "invite_withdrawn"], ["invite_ended", "member"])
    inside = memberships.role_of(grace.id, org.id) is not None
    assert inside == (ends[1] == "member")
