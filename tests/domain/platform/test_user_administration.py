"""What platform managers do to people, and erasing them: who stays, what ends, what is kept."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event, func, select

from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError, Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from dashboard.domain.access import keys
from dashboard.domain.audit import Actor
from dashboard.domain.messages import outbox
from dashboard.domain.organizations import follow_ups, lifecycle, memberships, registration
from dashboard.domain.people import accounts, authentication, sessions, users
from dashboard.domain.platform import erasure, user_administration, verify
from dashboard.jobs import people, schedule
from dashboard.models import (
    PLATFORM_ORG_ID,
    ApiKey,
    AuditEntry,
    Invite,
    Organization,
    OrgDirectory,
    OutboxEmail,
    Transaction,
    User,
    UserSession,
)
from tests.factories import PASSWORD, add_member, make_org, make_token, make_user, wallet_of
from tests.servers import Servers

IP = "192.0.2.1"
WHY = "Ticket 4821"
pytestmark = pytest.mark.usefixtures("app_context")


def act(verb, user: User, by: User | Actor) -> None:  # type: ignore[no-untyped-def]
    actor = by if isinstance(by, Actor) else Actor("manager", by.id)
    with transaction(PLATFORM_ORG_ID):
        verb(user, reason=WHY, by=actor)


def cookie_of(user: User) -> str:
    with transaction():
        return sessions.start(
            user_id=user.id, csrf_token=None, state={"x": 1}, ip="203.0.113.7", user_agent="Firefox/1"
        ).token


def made_key(org: Organization, person: User, *scopes: str) -> str:
    kind = "user" if memberships.role_of(person.id, org.id) else "manager"
    with transaction(org.id):
        return keys.make(
            org, name="Server", scopes=scopes, mode="test", by=Actor(kind, person.id), made_by=person.id
        ).key  # fmt: skip


def living_of(user: User) -> list[UUID]:
    return list(db.session.scalars(select(ApiKey.id).filter_by(created_by=user.id).where(keys.living())))


def works(key: str) -> bool:
    try:
        keys.authenticate(key)
    except keys.InvalidKey:
        return False
    return True


@pytest.mark.parametrize("act_of", [user_administration.take_role, user_administration.disable])
def test_a_manager_who_is_none_any_more_is_left_with_no_operators_key(act_of) -> None:  # type: ignore[no-untyped-def]
    boss, other, owner = make_user(manager=True), make_user(manager=True), make_user()
    org, own = make_org(owner=owner), make_org(owner=other)
    gone = [made_key(org, other, "platform:grant"), made_key(org, other, "wallet:read")]
    kept = [
        made_key(own, other, "wallet:charge"),
        made_key(org, boss, "platform:grant"),
        made_key(org, owner, "wallet:read"),
    ]
    if act_of is user_administration.disable:
        add_member(own, "owner")
    act(act_of, other, boss)
    assert [works(key) for key in gone + kept] == [False, False, True, True, True]  # at the very instant
    assert len(living_of(other)) == 3
    follow_ups.work(other.id)
    assert [works(key) for key in gone + kept] == [False, False, True, True, True]
    with pytest.raises(NotFound):
        made_key(org, other, "platform:grant")


def test_a_disabled_person_s_keys_let_nobody_in_any_more() -> None:
    boss, ada = make_user(manager=True), make_user()
    org = make_org()
    add_member(org, "admin", user=ada)
    letting_in, charging = made_key(org, ada, "members:write"), made_key(org, ada, "wallet:charge")
    act(user_administration.disable, ada, boss)
    assert (works(letting_in), works(charging)) == (False, True)
    follow_ups.work(ada.id)
    act(user_administration.enable, ada, boss)
    assert (works(letting_in), works(charging)) == (False, True)


def test_a_manager_s_key_in_an_own_organization_is_refused_before_it_is_revoked() -> None:
    boss, other = make_user(manager=True), make_user(manager=True)
    key = made_key(make_org(owner=other), other, "wallet:deposit", "wallet:charge")
    assert works(key)
    act(user_administration.take_role, other, boss)
    assert not works(key)
    follow_ups.work(other.id)
    assert (works(key), living_of(other)) == (False, [])


def told(org: Organization) -> list[str]:
    found = select(AuditEntry.action).filter_by(org_id=org.id).where(AuditEntry.action.like("member.%abled"))
    return list(db.session.scalars(found.order_by(AuditEntry.id)))


@pytest.mark.slow
def test_what_a_killed_process_did_not_come_to_is_done_once_and_in_order(servers: Servers) -> None:
    boss, ada = make_user(manager=True), make_user()
    orgs = [make_org() for _ in range(3)]
    letting_in = []
    for org in orgs:
        add_member(org, "admin", user=ada)
        letting_in.append(made_key(org, ada, "members:write"))
    act(user_administration.disable, ada, boss)  # killed right after its commit
    assert [told(org) for org in orgs] == [[]] * 3
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as other:  # kept out of one of them
        other.execute("SELECT FROM organizations WHERE id = %s FOR UPDATE", [orgs[1].id])
        follow_ups.work(ada.id)
    assert [told(org) for org in orgs] == [["member.disabled"], [], ["member.disabled"]]
    act(user_administration.enable, ada, boss)
    assert [works(key) for key in letting_in] == [False] * 3
    asked = [(due, job) for due, job in schedule.SCHEDULE if job == follow_ups.JOB]
    for due, _ in asked:
        assert list(due()) == [str(ada.id)]
        people.follow_up(str(ada.id))
        people.follow_up(str(ada.id))
        assert list(due()) == []
    assert [told(org) for org in orgs] == [["member.disabled", "member.enabled"]] * 3
    assert [works(key) for key in letting_in] == [False] * 3


def test_an_erased_person_is_gone_from_suspended_organizations_too() -> None:
    boss, ada = make_user(manager=True), make_user("ada@demo.test")
    org = make_org()
    add_member(org, "admin", user=ada)
    key = made_key(org, ada, "members:write")
    with transaction(org.id):
        lifecycle.suspend(org, reason=WHY, by=Actor("manager", boss.id))
    erasure.erase(ada, reason=WHY, by=Actor("manager", boss.id))
    assert memberships.role_of(ada.id, org.id) is None
    with transaction(org.id):
        lifecycle.unsuspend(org, reason=WHY, by=Actor("manager", boss.id))
    assert not works(key)


def test_a_disabled_person_is_out_at_once_and_may_come_back() -> None:
    boss, ada = make_user(manager=True), make_user("ada@demo.test")
    cookie, token = cookie_of(ada), make_token(ada, "wallet:read")
    act(user_administration.disable, ada, boss)
    assert sessions.find(cookie) is None
    with pytest.raises(Unauthenticated):
        keys.authenticate(token)
    with pytest.raises(authentication.BadCredentials):
        authentication.sign_in("ada@demo.test", PASSWORD, ip=IP)
    act(user_administration.enable, ada, boss)
    authentication.sign_in("ada@demo.test", PASSWORD, ip=IP)
    with pytest.raises(Unauthenticated):
        keys.authenticate(token)
    entries = db.session.scalars(select(AuditEntry).filter(AuditEntry.action.like("user.%abled"))).all()
    assert {(one.action, one.org_id, one.actor_id, one.reason) for one in entries} == {
        ("user.disabled", PLATFORM_ORG_ID, boss.id, WHY),
        ("user.enabled", PLATFORM_ORG_ID, boss.id, WHY),
    }
    assert verify.broken() == []


def test_nobody_acts_on_the_own_account_or_the_last_manager() -> None:
    boss = make_user(manager=True)
    for verb in (user_administration.disable, user_administration.take_role, user_administration.give_role):
        with pytest.raises(user_administration.OwnAccount):
            act(verb, boss, boss)
    for verb in (user_administration.disable, user_administration.take_role):
        with pytest.raises(user_administration.LastManager):
            act(verb, boss, Actor("system"))
    with pytest.raises(user_administration.LastManager):
        erasure.erase(boss, reason=WHY, by=Actor("user", boss.id))
    second = make_user(manager=True)
    act(user_administration.take_role, second, boss)
    assert not users.by_id(second.id).is_manager  # type: ignore[union-attr]
    with pytest.raises(Forbidden):
        act(user_administration.disable, boss, second)


def test_the_platform_role_is_given_to_active_people_and_signs_them_out() -> None:
    boss, ada = make_user(manager=True), make_user()
    cookie = cookie_of(ada)
    act(user_administration.give_role, ada, boss)
    assert ada.is_manager
    assert sessions.find(cookie) is None
    bob = make_user()
    act(user_administration.disable, bob, boss)
    with pytest.raises(Conflict):
        act(user_administration.give_role, bob, boss)
    with pytest.raises(Invalid), transaction(PLATFORM_ORG_ID):
        user_administration.end_sessions(ada, reason=" ", by=Actor("manager", boss.id))


def test_of_two_managers_who_disable_each_other_at_once_one_stays(app: Flask) -> None:
    for round_ in range(5):
        pair = [make_user(f"boss{round_}-{n}@demo.test", manager=True) for n in range(2)]
        for other in db.session.scalars(select(User).where(User.platform_role == users.MANAGER)).all():
            if other.id not in {one.id for one in pair} and other.disabled_at is None:
                act(user_administration.disable, other, pair[0])
        together = Barrier(2)

        def strike(n: int, pair: list[User] = pair, together: Barrier = together) -> bool:
            with app.app_context():
                victim = users.by_id(pair[1 - n].id)
                assert victim is not None
                together.wait()
                try:
                    act(user_administration.disable, victim, Actor("manager", pair[n].id))
                except CofferError:
                    return False
                return True

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(strike, range(2))) == 1
        db.session.expire_all()
        left = select(func.count()).select_from(User)
        assert db.session.scalar(left.where(User.platform_role == users.MANAGER, User.disabled_at.is_(None))) == 1


def test_the_last_owner_of_a_team_is_neither_disabled_nor_erased() -> None:
    boss, ada = make_user(manager=True), make_user()
    org = make_org(owner=ada)
    with pytest.raises(memberships.LastOwner):
        act(user_administration.disable, ada, boss)
    with pytest.raises(memberships.LastOwner):
        erasure.erase(ada, reason=WHY, by=Actor("user", ada.id))
    assert ada.disabled_at is None
    add_member(org, "owner")
    act(user_administration.disable, ada, boss)
    assert verify.broken() == []


def test_an_erased_person_leaves_no_name_and_the_books_stay() -> None:
    boss, ada = make_user(manager=True), make_user("ada@demo.test", name="Ada Lovelace")
    org = make_org("Acme", owner=boss, funds=5_000_000)
    add_member(org, "admin", user=ada)
    own = users.personal_organization(ada.id)
    assert own is not None
    cookie, token = cookie_of(ada), make_token(ada, "wallet:read")
    accounts.ask_reset("ada@demo.test", ip=IP)
    with transaction(org.id):
        outbox.send(org.id, key="i", event="invite", to="later@demo.test", context={"inviter": "Ada Lovelace"})
    rows = db.session.scalar(select(func.count()).select_from(Transaction))
    balance = wallet_of(own).balance
    erasure.erase(ada, reason=WHY, by=Actor("manager", boss.id))
    with db.engine.connect() as fresh:
        for table in ("users", "user_sessions", "user_proofs", "outbox_emails", "invites", "organizations",
                      "org_directory", "personal_tokens", "recovery_codes", "known_devices"):  # fmt: skip
            held = repr(fresh.execute(db.text(f"SELECT * FROM {table}")).fetchall()).lower()
            for trace in ("ada@demo", "lovelace", "203.0.113.7"):
                assert trace not in held, (table, trace)
    db.session.expire_all()
    gone = users.by_id(ada.id)
    assert gone is not None
    assert (gone.name, gone.is_active, gone.erased_at is not None) == ("Erased person", False, True)
    assert sessions.find(cookie) is None
    with pytest.raises(Unauthenticated):
        keys.authenticate(token)
    assert memberships.role_of(ada.id, org.id) is None
    closed = db.session.get_one(Organization, own.id)
    assert closed.closed_at is not None
    assert wallet_of(own).balance == balance
    assert db.session.scalar(select(func.count()).select_from(Transaction)) == rows
    assert db.session.scalar(select(AuditEntry.actor_id).filter_by(action="user.erased")) == boss.id
    assert verify.broken() == []


def test_erasing_takes_the_mails_of_an_organization_in_bounded_steps() -> None:
    boss, ada = make_user(manager=True), make_user("ada@demo.test", name="Ada Lovelace")
    org = make_org(owner=boss)
    many = 2 * erasure.MAILS_A_STEP + 1
    with transaction(org.id):
        for number in range(many):
            outbox.send(
                org.id, key=f"m{number}", event="invite", to="later@demo.test" if number % 2 else "ADA@demo.test",
                context={"inviter": "Ada Lovelace"},
            )  # fmt: skip
    locked: list[int] = []

    def note(state: Any) -> None:
        if state.is_select and "FROM outbox_emails" in str(state.statement) and "FOR UPDATE" in str(state.statement):
            locked.append(state.statement._limit)

    event.listen(db.session, "do_orm_execute", note)
    try:
        erasure.erase(ada, reason=WHY, by=Actor("manager", boss.id))
    finally:
        event.remove(db.session, "do_orm_execute", note)
    mails = db.session.scalars(select(OutboxEmail).filter_by(org_id=org.id)).all()
    assert len(mails) == many
    assert {mail.context["inviter"] for mail in mails} == {"Erased person"}
    assert not [mail for mail in mails if "ada" in mail.to_address.lower()]
    assert locked.count(erasure.MAILS_A_STEP) == len(locked) >= 3


def test_who_is_erased_is_not_found_and_the_address_is_free_again() -> None:
    boss, ada = make_user(manager=True), make_user("ada@demo.test")
    erasure.erase(ada, reason=WHY, by=Actor("user", ada.id))
    with pytest.raises(NotFound):
        act(user_administration.enable, ada, boss)
    with pytest.raises(NotFound):
        erasure.erase(ada, reason=WHY, by=Actor("manager", boss.id))
    with pytest.raises(authentication.BadCredentials):
        authentication.sign_in(ada.email, "", ip=IP)
    assert registration.sign_up(name="Ada", email="ada@demo.test", password=PASSWORD, ip=IP, mode="test").id != ada.id


def test_mails_that_wait_for_an_erased_person_are_not_sent() -> None:
    ada = make_user("ada@demo.test")
    accounts.ask_reset("ada@demo.test", ip=IP)
    erasure.erase(ada, reason=WHY, by=Actor("user", ada.id))
    db.session.expire_all()
    assert {(mail.state, mail.secret) for mail in db.session.scalars(select(OutboxEmail))} == {("dismissed", None)}
    assert db.session.scalar(select(func.count()).select_from(UserSession).where(UserSession.revoked_at.is_(None))) == 0
    assert db.session.scalar(select(func.count()).select_from(OrgDirectory).filter(OrgDirectory.slug.like("ada%"))) == 0
    assert db.session.scalar(select(func.count()).select_from(Invite)) == 0


def test_commands_do_it_where_nobody_can_sign_in(app: Flask) -> None:
    ada = make_user("ada@demo.test")
    run = app.test_cli_runner().invoke
    for name in ("reset-2fa", "disable"):
        assert run(args=["users", name, "--email", "none@demo.test", "--reason", WHY]).exit_code == 1
        assert run(args=["users", name, "--email", "ada@demo.test", "--reason", " "]).exit_code == 1
        assert run(args=["users", name, "--email", "ada@demo.test", "--reason", WHY]).exit_code == 0
    db.session.expire_all()
    found = users.by_id(ada.id)
    assert found is not None
    assert not found.is_active
    reasons = set(db.session.scalars(select(AuditEntry.reason).where(AuditEntry.reason.is_not(None))))
    assert reasons == {WHY}
