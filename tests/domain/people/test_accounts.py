"""Confirming an address, a new password by mail and by hand: what each needs, ends and tells."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard.core import clock, crypto
from dashboard.core.db import db, transaction
from dashboard.core.errors import Gone, Invalid, TooManyRequests
from dashboard.domain import rate_limits
from dashboard.domain.access import keys
from dashboard.domain.funds import wallets
from dashboard.domain.messages import outbox
from dashboard.domain.organizations import registration
from dashboard.domain.people import accounts, authentication, email_tokens, sessions, users
from dashboard.models import AuditEntry, EmailToken, OutboxEmail, Transaction, User
from tests.emails import link_in, mails
from tests.factories import PASSWORD, make_token, make_user

IP = "192.0.2.1"
NEW = "another long password"
pytestmark = pytest.mark.usefixtures("app_context")


def token(event: str) -> str:
    return link_in(event).rpartition("/")[2]


def sign_up(email: str = "ada@demo.test") -> User:
    return registration.sign_up(name="Ada", email=email, password=PASSWORD, ip=IP, mode="test")


def session_of(user: User) -> str:
    with transaction():
        return sessions.start(user_id=user.id, csrf_token=None, state={}).token


def fresh(user: User) -> User:
    db.session.expire_all()
    found = users.by_id(user.id)
    assert found is not None
    return found


def test_the_link_of_the_sign_up_confirms_the_address_once() -> None:
    user = sign_up()
    assert user.email_verified_at is None
    given = token("verify")
    assert accounts.verify(given, mode="test").id == user.id
    assert fresh(user).email_verified_at is not None
    with pytest.raises(Gone):
        accounts.verify(given, mode="test")
    assert db.session.scalar(select(func.count()).select_from(AuditEntry).filter_by(action="user.verified")) == 1


def test_only_the_digest_of_a_link_is_kept() -> None:
    sign_up()
    given = token("verify")
    [row] = db.session.scalars(select(EmailToken))
    assert row.token_hash == crypto.digest(given)
    [mail] = mails("verify")
    assert given not in repr((mail.context, mail.secret, mail.key))


def test_links_die_with_time_and_with_a_newer_one() -> None:
    user = sign_up()
    first = token("verify")
    accounts.ask_verification("ADA@demo.test", ip=IP)
    assert token("verify") != first
    with pytest.raises(Gone):
        accounts.verify(first, mode="test")
    with clock.at(clock.now() + timedelta(days=3, minutes=1)), pytest.raises(Gone):
        accounts.verify(token("verify"), mode="test")
    assert fresh(user).email_verified_at is None


def test_of_many_that_use_a_link_at_once_one_does(app: Flask) -> None:
    make_user("ada@demo.test")
    accounts.ask_reset("ada@demo.test", ip=IP)
    given = token("reset")

    def use(n: int) -> bool:
        with app.app_context():
            try:
                accounts.reset(given, f"{NEW} {n}", mode="test")
            except Gone:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(4))) == 1
    assert len(mails("password_changed")) == 1


def test_in_production_the_credits_come_with_the_confirmation(make_app: Callable[..., Flask]) -> None:
    with make_app(environment="production", base_url="https://coffer.test").app_context():
        registration.ask_to_join(name="Ada", email="ada@demo.test", password=PASSWORD, ip=IP)
        assert db.session.scalar(select(func.count()).select_from(Transaction)) == 0
        user = accounts.verify(token("verify"), mode="test")
        own = users.personal_organization(user.id)
        assert own is not None
        assert wallets.of_organization(own.id, "test").balance == 10_000_000
        with transaction(own.id):
            accounts.mark_verified(user, home=own.id, mode="test")
        assert db.session.scalar(select(func.count()).select_from(Transaction)) == 1


def test_in_production_nobody_gets_in_before_the_confirmation(make_app: Callable[..., Flask]) -> None:
    with make_app(environment="production").app_context():
        registration.ask_to_join(name="Ada", email="ada@demo.test", password=PASSWORD, ip=IP)
        with pytest.raises(authentication.BadCredentials) as unconfirmed:
            authentication.sign_in("ada@demo.test", PASSWORD, ip=IP)
        with pytest.raises(authentication.BadCredentials) as unknown:
            authentication.sign_in("bob@demo.test", PASSWORD, ip=IP)
        assert unconfirmed.value.detail == unknown.value.detail
        accounts.verify(token("verify"), mode="test")
        assert authentication.sign_in("ada@demo.test", PASSWORD, ip=IP).email == "ada@demo.test"


def test_in_production_a_taken_address_is_told_to_its_owner_alone(make_app: Callable[..., Flask]) -> None:
    with make_app(environment="production").app_context():
        owner = make_user("ada@demo.test")
        before = [db.session.scalar(select(func.count()).select_from(table)) for table in (User, AuditEntry)]
        for _ in range(rate_limits.LINK_ADDRESS.most + 2):
            registration.ask_to_join(name="Eve", email="Ada@demo.test", password=PASSWORD, ip=IP)
        assert [db.session.scalar(select(func.count()).select_from(table)) for table in (User, AuditEntry)] == before
        told = mails()
        assert {(mail.event, mail.to_address) for mail in told} == {("address_taken", owner.email)}
        assert len(told) == rate_limits.LINK_ADDRESS.most
        assert "nothing was changed" in outbox.rendered(told[0]).text
        assert "Eve" not in outbox.rendered(told[0]).text


def test_a_reset_ends_tokens_and_changing_the_password_keeps_them() -> None:
    """Who resets may have lost the account to somebody, who made a token to come back with."""
    user = make_user("ada@demo.test")
    here = session_of(user)
    stolen = make_token(user, "org:admin")
    row = sessions.find(here)
    assert row
    accounts.change_password(user, old=PASSWORD, new=f"{NEW} 1", keep=row.id)
    assert keys.authenticate(stolen)
    accounts.ask_reset("ada@demo.test", ip=IP)
    accounts.reset(token("reset"), NEW, mode="test")
    with pytest.raises(keys.InvalidKey):
        keys.authenticate(stolen)


@pytest.mark.parametrize("ask", [accounts.ask_reset, accounts.ask_verification])
def test_asking_for_a_link_says_the_same_of_everyone(ask: Callable[..., None]) -> None:
    gone = make_user("gone@demo.test")
    with transaction():
        gone.disabled_at = clock.now()
    for address in ("nobody@demo.test", "gone@demo.test"):
        ask(address, ip=IP)
    assert mails() == []
    assert db.session.scalar(select(func.count()).select_from(EmailToken)) == 0


def test_links_are_limited_by_place_and_silently_by_address() -> None:
    make_user("ada@demo.test")
    for _ in range(rate_limits.LINK_IP.most):
        accounts.ask_reset("ada@demo.test", ip=IP)
    with pytest.raises(TooManyRequests):
        accounts.ask_reset("bob@demo.test", ip=IP)
    assert len(mails("reset")) == rate_limits.LINK_ADDRESS.most


def test_a_living_reset_link_can_be_had_although_strangers_asked_for_all_the_mails() -> None:
    make_user("ada@demo.test")
    start = clock.now()

    def ask_often(minutes: int) -> int:
        with clock.at(start + timedelta(minutes=minutes)):
            for n in range(20):
                accounts.ask_reset("ada@demo.test", ip=f"198.51.100.{n}")
        return len(mails("reset"))

    most = rate_limits.LINK_ADDRESS.most
    assert [ask_often(minutes) for minutes in (0, 30, 61, 100, 123)] == [most, most, most + 1, most + 1, most + 2]
    with clock.at(start + timedelta(minutes=124)):
        accounts.reset(token("reset"), NEW, mode="test")
        assert authentication.sign_in("ada@demo.test", NEW, ip=IP)


def test_a_password_changed_during_a_change_wins(app: Flask) -> None:
    """Somebody confirms the old password while a reset replaces it: the reset stays."""
    user = make_user("ada@demo.test")
    verified = user.password_hash
    accounts.ask_reset("ada@demo.test", ip=IP)
    accounts.reset(token("reset"), NEW, mode="test")
    with pytest.raises(authentication.BadCredentials), transaction(users.personal_org_id(user.id)):
        authentication.still_theirs(user, verified)


def test_a_new_password_by_mail_ends_sessions_and_links_and_confirms_the_address() -> None:
    user = sign_up()
    cookie, verification = session_of(user), token("verify")
    accounts.ask_reset("ada@demo.test", ip=IP)
    accounts.reset(token("reset"), NEW, mode="test")
    assert sessions.find(cookie) is None
    with pytest.raises(Gone):
        accounts.verify(verification, mode="test")
    with pytest.raises(authentication.BadCredentials):
        authentication.sign_in("ada@demo.test", PASSWORD, ip=IP)
    assert authentication.sign_in("ada@demo.test", NEW, ip=IP).email_verified_at is not None
    assert [mail.to_address for mail in mails("password_changed")] == ["ada@demo.test"]


def test_a_refused_password_leaves_the_link_good() -> None:
    make_user("ada@demo.test")
    accounts.ask_reset("ada@demo.test", ip=IP)
    with pytest.raises(Invalid) as refusal:
        accounts.reset(token("reset"), "short", mode="test")
    assert refusal.value.field == "password"
    accounts.reset(token("reset"), NEW, mode="test")


def test_a_link_is_for_its_purpose_its_address_and_active_people() -> None:
    user = make_user("ada@demo.test")
    accounts.ask_reset("ada@demo.test", ip=IP)
    given = token("reset")
    with pytest.raises(Gone):
        accounts.verify(given, mode="test")
    with clock.at(clock.now() + timedelta(hours=1, seconds=1)), pytest.raises(Gone):
        accounts.reset(given, NEW, mode="test")
    for change, back in (
        ({"disabled_at": clock.now()}, {"disabled_at": None}),
        ({"email": "new@demo.test"}, {"email": "ada@demo.test"}),
    ):
        _set(user, **change)
        with pytest.raises(Gone):
            accounts.reset(given, NEW, mode="test")
        _set(user, **back)
    for odd in ("", "x", "x" * 100_000, "\x00"):
        with pytest.raises(Gone):
            accounts.reset(odd, NEW, mode="test")


def _set(user: User, **values: object) -> None:
    with transaction():
        for name, value in values.items():
            setattr(user, name, value)


def test_a_password_is_changed_by_who_knows_the_old_one() -> None:
    user = make_user("ada@demo.test")
    here, elsewhere = session_of(user), session_of(user)
    row = sessions.find(here)
    assert row is not None
    with pytest.raises(authentication.BadCredentials):
        accounts.change_password(user, old="wrong", new=NEW, keep=row.id)
    with pytest.raises(Invalid) as refusal:
        accounts.change_password(user, old=PASSWORD, new="short", keep=row.id)
    assert refusal.value.field == "new_password"
    with pytest.raises(Invalid):
        accounts.change_password(user, old=PASSWORD, new=PASSWORD, keep=row.id)
    assert mails() == []
    accounts.change_password(user, old=PASSWORD, new=NEW, keep=row.id)
    assert sessions.find(here) is not None
    assert sessions.find(elsewhere) is None
    assert authentication.sign_in("ada@demo.test", NEW, ip=IP).id == user.id
    assert len(mails("password_changed")) == 1
    own = users.personal_organization(user.id)
    entry = db.session.scalars(select(AuditEntry).filter_by(action="user.password_changed")).one()
    assert own is not None
    assert (entry.org_id, entry.actor_id) == (own.id, user.id)


def test_mails_of_people_without_an_organization_are_the_platforms() -> None:
    boss = make_user("boss@demo.test", manager=True)
    accounts.ask_reset("boss@demo.test", ip=IP)
    [mail] = db.session.scalars(select(OutboxEmail))
    assert mail.org_id == users.personal_org_id(boss.id) == users.personal_org_id(uuid4())


def test_old_links_are_forgotten() -> None:
    sign_up()
    with clock.at(clock.now() + timedelta(days=34)), transaction():
        email_tokens.purge()
    assert db.session.scalar(select(func.count()).select_from(EmailToken)) == 0
