"""Invites: to one address, for seven days, never above the inviter's own right, each answered at most once."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from dashboard.config import settings
from dashboard.core import clock, crypto
from dashboard.core.db import autocommit, db, transaction
from dashboard.core.errors import Forbidden, Invalid, NotFound
from dashboard.domain.access.permissions import ROLES
from dashboard.domain.audit import Actor
from dashboard.domain.messages import outbox
from dashboard.domain.org_status import OrgSuspended
from dashboard.domain.organizations import invites, memberships
from dashboard.domain.organizations.invites import AlreadyInvited, DeadInvite, UnknownInvite, WrongAddress
from dashboard.domain.organizations.memberships import AlreadyMember, RoleTooHigh
from dashboard.domain.people import users
from dashboard.models import (
    AuditEntry,
    Invite,
    Membership,
    Organization,
    OutboxEmail,
    User,
)
from tests.each import each
from tests.factories import add_member, make_org, make_user
from tests.invites import GRACE, IP, accept, actions, decline, refused, resend, revoke, right, send, token_of


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


def test_an_invite_is_a_mail_with_a_link_and_only_its_digest_is_kept(org: Organization, owner: User) -> None:
    row = send(org, owner, " Grace@Example.test ")
    assert (row.email, row.role, row.state, row.invited_by) == (GRACE, "member", "pending", owner.id)
    assert row.expires_at - row.sent_at == timedelta(days=7)
    mail = db.session.scalars(select(OutboxEmail)).one()
    assert (mail.to_address, mail.event) == (GRACE, "invite")
    token = token_of(row)
    part, _, secret = token.partition("_")
    assert (part, len(secret)) == (org.id.hex, 43)
    assert row.token_hash == crypto.digest(secret)
    stored = str([dict(found._mapping) for found in autocommit().execute(text("SELECT o::text FROM outbox_emails o"))])
    assert secret not in stored
    assert actions(org) == ["invite.sent"]


def test_the_mail_says_who_invites_where_as_what_and_until_when(org: Organization, owner: User) -> None:
    send(org, owner, role="viewer")
    letter = outbox.rendered(db.session.scalars(select(OutboxEmail)).one())
    assert letter.subject == "Olga Owner invites you to Acme"
    for said in (letter.text, letter.html):
        for words in ("Olga Owner", "Acme", "Viewer", "spend anything", "UTC", GRACE, "http://localhost/invite/"):
            assert words in said


def test_the_invited_person_gets_in_once(org: Organization, owner: User) -> None:
    row = send(org, owner, role="admin")
    token, grace = token_of(row), make_user(GRACE)
    membership = accept(token, grace)
    assert (membership.role, memberships.role_of(grace.id, org.id)) == ("admin", "admin")
    found = invites.find(token, ip=IP)
    assert (found.state, found.accepted_by) == ("accepted", grace.id)
    again = refused(accept, token, grace)
    assert (again.status, again.code) == (410, "invite_used")
    assert actions(org) == ["invite.sent", "invite.accepted"]
    entry = db.session.scalars(select(AuditEntry).filter_by(action="invite.accepted")).one()
    assert (entry.actor_kind, entry.actor_id) == ("user", grace.id)


def test_with_the_link_of_the_mail_no_verified_address_is_needed(org: Organization, owner: User) -> None:
    token, grace = token_of(send(org, owner)), make_user(GRACE)
    with transaction():
        grace.email_verified_at = None
    assert invites.open_to(grace) == []
    accept(token, grace)
    assert memberships.role_of(grace.id, org.id) == "member"


def test_without_the_link_a_verified_address_is_needed(org: Organization, owner: User) -> None:
    row, grace, other = send(org, owner), make_user(GRACE), make_user()
    assert [one.invite.id for one in invites.open_to(grace)] == [row.id]
    assert invites.open_to(other) == []
    with pytest.raises(NotFound):
        invites.of_person(org.id, row.id, other)
    with transaction():
        grace.email_verified_at = None
    with pytest.raises(Forbidden), transaction(org=org.id):
        invites.accept(invites.of_person(org.id, row.id, grace), by=grace, by_link=False)
    with transaction():
        grace.email_verified_at = clock.now()
    with transaction(org=org.id):
        invites.accept(invites.of_person(org.id, row.id, grace), by=grace, by_link=False)
    assert memberships.role_of(grace.id, org.id) == "member"


@pytest.mark.parametrize("email", ["mallory@example.test", "grace+1@example.test", "grаce@example.test"])
def test_nobody_else_may_answer(org: Organization, owner: User, email: str) -> None:
    token, other = token_of(send(org, owner)), make_user(email)
    for act in (accept, decline):
        refusal = refused(act, token, other)
        assert isinstance(refusal, WrongAddress)
        assert GRACE in refusal.detail
        assert other.email in refusal.detail
    assert memberships.role_of(other.id, org.id) is None


def test_an_address_has_one_open_invite(org: Organization, owner: User) -> None:
    send(org, owner)
    assert isinstance(refused(send, org, owner, "GRACE@example.TEST"), AlreadyInvited)
    assert refused(send, org, owner).status == 409
    assert db.session.scalar(select(func.count()).select_from(Invite)) == 1
    elsewhere = make_org("Elsewhere", owner=owner)
    assert send(elsewhere, owner).state == "pending"


def test_letter_case_is_one_address_and_a_plus_sign_is_another(org: Organization, owner: User) -> None:
    first, plus = make_user("first.last@example.test"), "first.last+billing@example.test"
    row = send(org, owner, " First.Last@Example.Test ")
    assert isinstance(refused(send, org, owner, "first.LAST@example.test"), AlreadyInvited)
    other = send(org, owner, plus)
    assert (other.id != row.id, other.email) == (True, plus)
    assert isinstance(refused(accept, token_of(other), first), WrongAddress)
    assert accept(token_of(row), first).role == "member"
    assert isinstance(refused(send, org, owner, "FIRST.last@example.test"), AlreadyMember)
    assert accept(token_of(other), make_user(plus)).role == "member"
    assert db.session.scalar(select(func.count()).select_from(Invite)) == 2


def test_who_belongs_to_it_is_not_invited(org: Organization, owner: User) -> None:
    add_member(org, "viewer", user=make_user(GRACE))
    assert isinstance(refused(send, org, owner), AlreadyMember)
    assert refused(send, org, owner, owner.email.upper()).code == "already_member"


def test_who_became_a_member_meanwhile_is_told(org: Organization, owner: User) -> None:
    token, grace = token_of(send(org, owner, role="admin")), make_user(GRACE)
    add_member(org, "viewer", user=grace)
    assert isinstance(refused(accept, token, grace), AlreadyMember)
    assert memberships.role_of(grace.id, org.id) == "viewer"


@each("address", ["", "no address", "a@b", "x@y@z.test", "\x00@x.test", "a" * 300 + "@x.test"])
def test_what_is_no_address_is_refused(org: Organization, owner: User, address: str) -> None:
    with pytest.raises(Invalid):
        send(org, owner, address)
    assert db.session.scalar(select(func.count()).select_from(OutboxEmail)) == 0


GIVEN = {"owner": ROLES, "admin": ("admin", "member", "viewer"), "member": (), "viewer": ()}


@each("inviter", ROLES)
@each("role", ROLES)
def test_nobody_invites_above_their_own_role(org: Organization, owner: User, inviter: str, role: str) -> None:
    by = owner if inviter == "owner" else add_member(org, inviter)
    if role in GIVEN[inviter]:
        assert send(org, by, f"{inviter}.{role}@example.test", role=role).role == role
    else:
        with pytest.raises(RoleTooHigh):
            send(org, by, role=role)


def test_an_admin_touches_no_invite_of_an_owner(org: Organization, owner: User) -> None:
    row, admin = send(org, owner, role="owner"), add_member(org, "admin")
    for act in (resend, revoke):
        with pytest.raises(RoleTooHigh):
            act(row, admin)
    assert accept(token_of(row), make_user(GRACE)).role == "owner"


def test_sending_again_kills_the_old_link_and_renews_the_time(org: Organization, owner: User) -> None:
    row, grace = send(org, owner), make_user(GRACE)
    old, ends = token_of(row), row.expires_at
    with clock.at(clock.now() + timedelta(days=3)):
        again = resend(row, owner)
    assert again.expires_at >= ends + timedelta(days=3)
    assert isinstance(refused(accept, old, grace), UnknownInvite)
    assert accept(token_of(row), grace).role == "member"
    assert sorted(actions(org)) == ["invite.accepted", "invite.resent", "invite.sent"]


def test_a_link_that_is_replaced_while_it_is_used_opens_nothing(org: Organization, owner: User) -> None:
    row, grace = send(org, owner), make_user(GRACE)
    looked_at = invites.find(token_of(row), ip=IP)
    db.session.expunge(looked_at)
    resend(invites.with_id(org.id, row.id), owner)
    with pytest.raises(UnknownInvite), transaction(org=org.id):
        invites.accept(looked_at, by=grace, by_link=True)


def test_a_withdrawn_link_is_dead(org: Organization, owner: User) -> None:
    row, grace = send(org, owner), make_user(GRACE)
    revoke(row, owner)
    revoke(row, owner)
    dead = refused(accept, token_of(row), grace)
    assert (dead.status, dead.code) == (410, "invite_withdrawn")
    assert invites.open_to(grace) == []
    assert actions(org) == ["invite.sent", "invite.revoked"]
    assert refused(resend, row, owner).code == "invite_ended"
    assert send(org, owner).id != row.id


def test_declining_ends_it_and_needs_no_account(org: Organization, owner: User) -> None:
    row = send(org, owner)
    assert decline(token_of(row), None).state == "declined"
    entry = db.session.scalars(select(AuditEntry).filter_by(action="invite.declined")).one()
    assert (entry.actor_kind, entry.reason) == ("system", "By the link in the mail")
    assert refused(accept, token_of(row), make_user(GRACE)).code == "invite_declined"
    assert [one.state for one in invites.listed(org.id)] == ["declined"]
    with clock.at(clock.now() + timedelta(days=20)):
        assert invites.listed(org.id) == []
    revoke(row, owner)
    assert invites.listed(org.id) == []
    assert actions(org) == ["invite.sent", "invite.declined", "invite.removed"]
    with pytest.raises(Forbidden), transaction(org=org.id):
        invites.decline(send_within(org, owner), by=None, by_link=False)


def send_within(org: Organization, by: User) -> Invite:
    return invites.invite(org, "other@example.test", role="member", inviter=by.id, **right(org, by))


def test_after_seven_days_it_opens_nothing_until_it_is_sent_again(org: Organization, owner: User) -> None:
    row, grace = send(org, owner), make_user(GRACE)
    token = token_of(row)
    with clock.at(row.expires_at + timedelta(seconds=1)):
        dead = refused(accept, token, grace)
        assert (dead.status, dead.code) == (410, "invite_expired")
        assert "Olga Owner" in dead.detail
        assert invites.open_to(grace) == []
        assert [one.state for one in invites.listed(org.id)] == ["expired"]
        renewed = send(org, owner, role="viewer")
        assert (renewed.id, renewed.role) == (row.id, "viewer")
        assert accept(token_of(row), grace).role == "viewer"


def test_sent_again_after_it_ran_out_the_new_link_works_for_seven_days(org: Organization, owner: User) -> None:
    row, grace, start = send(org, owner), make_user(GRACE), clock.now()
    old = token_of(row)
    with clock.at(start + timedelta(days=9)):
        resend(row, owner)
        new = token_of(row)
        assert isinstance(refused(accept, old, grace), UnknownInvite)
        assert "newest mail" in refused(accept, old, grace).detail
    with clock.at(start + timedelta(days=16, minutes=1)):
        assert refused(accept, new, grace).code == "invite_expired"
    with clock.at(start + timedelta(days=15, hours=23)):
        assert accept(new, grace).role == "member"
        assert refused(resend, row, owner).code == "invite_ended"
        assert isinstance(refused(accept, old, grace), UnknownInvite)
    assert db.session.scalar(select(func.count()).select_from(Invite)) == 1
    assert len(db.session.scalars(select(Membership).filter_by(user_id=grace.id, org_id=org.id)).all()) == 1


def entry_of(org: Organization, user: User) -> Membership:
    return db.session.scalars(select(Membership).filter_by(org_id=org.id, user_id=user.id, removed_at=None)).one()


def change(org: Organization, **values: Any) -> None:
    with transaction(org=org.id):
        found = db.session.get_one(Organization, org.id)
        for name, value in values.items():
            setattr(found, name, value)


def test_an_inviter_without_the_right_lets_nobody_in(org: Organization, owner: User) -> None:
    admin, grace = add_member(org, "admin", user=make_user(name="Adam")), make_user(GRACE)
    row = send(org, admin)
    entry = db.session.scalars(select(Membership).filter_by(org_id=org.id, user_id=admin.id)).one()
    for values in ({"role": "member"}, {"removed_at": clock.now()}):
        with transaction(org=org.id):
            for name, value in values.items():
                setattr(entry, name, value)
        dead = refused(accept, token_of(row), grace)
        assert (dead.status, dead.code) == (410, "invite_stopped")
        assert "Adam may no longer invite people" in dead.detail
        assert [one.state for one in invites.listed(org.id)] == ["stopped"]
    # Another person with the right takes it over by sending it again.
    assert resend(row, owner).invited_by == owner.id
    assert accept(token_of(row), grace).role == "member"


def test_a_disabled_inviter_lets_nobody_in(org: Organization, owner: User) -> None:
    token, grace = token_of(send(org, owner)), make_user(GRACE)
    with transaction():
        db.session.get_one(User, owner.id).disabled_at = clock.now()
    assert refused(accept, token, grace).code == "invite_stopped"


def test_an_owner_who_became_admin_makes_no_owner(org: Organization, owner: User) -> None:
    other = add_member(org, "owner")
    row, grace = send(org, other, role="owner"), make_user(GRACE)
    with transaction(org=org.id):
        db.session.scalars(select(Membership).filter_by(org_id=org.id, user_id=other.id)).one().role = "admin"
    assert refused(accept, token_of(row), grace).code == "invite_stopped"


def test_a_personal_organization_takes_nobody(owner: User) -> None:
    own = users.personal_organization(owner.id)
    assert refused(send, own, owner).code == "personal_organization"


def test_nobody_joins_a_suspended_or_closed_organization(org: Organization, owner: User) -> None:
    row, grace = send(org, owner), make_user(GRACE)
    token = token_of(row)
    change(org, suspended_at=clock.now())
    assert isinstance(refused(accept, token, grace), OrgSuspended)
    for act in (lambda: send(org, owner, "x@example.test"), lambda: resend(row, owner), lambda: revoke(row, owner)):
        assert isinstance(refused(act), OrgSuspended)
    change(org, suspended_at=None, closed_at=clock.now())
    dead = refused(accept, token, grace)
    assert (dead.status, dead.code) == (410, "org_closed")
    assert invites.open_to(grace) == []
    with pytest.raises(NotFound):
        send(org, owner, "x@example.test")


def test_a_programs_invite_stands_on_the_right_of_its_maker(org: Organization, owner: User) -> None:
    from dashboard.domain.access import keys

    member = add_member(org, "member")
    made = {}
    for name, maker in (("owner", owner), ("member", member), ("command", None)):
        with transaction(org=org.id):
            made[name] = keys.make(
                org, name=name, scopes=["members:write"], mode=settings().mode, by=Actor("system"),
                made_by=maker.id if maker else None,
            ).row  # fmt: skip
    assert invites.inviter_behind(made["owner"]) == owner.id
    assert invites.inviter_behind(made["member"]) is None
    assert invites.inviter_behind(made["command"]) is None


def test_the_dead_say_who_can_help(org: Organization, owner: User) -> None:
    row = send(org, owner)
    found = invites.view(row)
    for state in ("accepted", "declined", "revoked", "expired", "stopped"):
        with pytest.raises(DeadInvite) as dead:
            invites.require_open(invites.InviteView(found.invite, found.org, found.inviter, state))
        assert "Acme" in dead.value.detail


def test_removing_a_person_ends_what_waits_for_their_address(org: Organization, owner: User) -> None:
    row, grace = send(org, owner), add_member(org, "viewer", user=make_user(GRACE))
    with transaction(org=org.id):
        memberships.remove(entry_of(org, grace), by=Actor("user", owner.id))
    assert invites.with_id(org.id, row.id).state == "revoked"
    assert actions(org) == ["invite.sent", "invite.revoked"]
