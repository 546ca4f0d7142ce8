"""Another address: both agree, either calls it off, and nobody learns who has an account."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Gone, Invalid, TooManyRequests
from dashboard.domain import rate_limits
from dashboard.domain.people import accounts, email_change, email_tokens, users
from dashboard.models import User
from tests.emails import link_in, mails
from tests.factories import make_user

OLD, NEW = "ada@demo.test", "ada@new.test"
pytestmark = pytest.mark.usefixtures("app_context")


def asked(to: str = NEW) -> User:
    user = users.by_email(OLD) or make_user(OLD)
    email_change.ask(user, to)
    return user


def agree(event: str) -> bool:
    return email_change.agree(email_tokens.find(link_in(event).rpartition("/")[2], *email_change.BOTH))


def address_of(user: User) -> str:
    db.session.expire_all()
    found = users.by_id(user.id)
    assert found is not None
    return found.email


@pytest.mark.parametrize("order", [("email_change_from", "email_change_to"), ("email_change_to", "email_change_from")])
def test_the_address_changes_when_both_have_agreed(order: tuple[str, str]) -> None:
    user = asked(" Ada@NEW.test ")
    assert [mail.to_address for mail in mails()] == [OLD, NEW]
    assert agree(order[0]) is False
    assert address_of(user) == OLD
    assert email_change.pending(user).email == NEW  # type: ignore[union-attr]
    assert agree(order[1]) is True
    assert address_of(user) == NEW
    assert user.email_verified_at is not None
    assert [mail.to_address for mail in mails("email_changed")] == [OLD]
    assert email_change.pending(user) is None
    for event in order:
        with pytest.raises(Gone):
            agree(event)


@pytest.mark.parametrize("first", [None, "email_change_from", "email_change_to"])
def test_either_calls_it_off_and_what_was_agreed_counts_no_more(first: str | None) -> None:
    user = asked()
    if first:
        agree(first)
    email_change.call_off(user)
    assert email_change.pending(user) is None
    for event in ("email_change_from", "email_change_to"):
        with pytest.raises(Gone):
            agree(event)
    assert address_of(user) == OLD


def test_halves_of_two_changes_make_no_whole() -> None:
    user = asked("first@new.test")
    agree("email_change_from")
    asked("second@new.test")
    assert agree("email_change_to") is False
    assert address_of(user) == OLD
    assert agree("email_change_from") is True
    assert address_of(user) == "second@new.test"


def test_a_taken_address_is_told_to_its_owner_alone() -> None:
    make_user(NEW)
    user = asked()
    assert [(mail.event, mail.to_address) for mail in mails()] == [("email_change_from", OLD), ("address_taken", NEW)]
    assert agree("email_change_from") is False
    assert address_of(user) == OLD


def test_an_address_taken_meanwhile_is_refused() -> None:
    user = asked()
    agree("email_change_from")
    make_user(NEW)
    with pytest.raises(users.EmailTaken):
        agree("email_change_to")
    assert address_of(user) == OLD


def test_links_die_after_a_day_and_with_a_new_password() -> None:
    asked()
    with clock.at(clock.now() + timedelta(days=1, minutes=1)), pytest.raises(Gone):
        agree("email_change_from")
    accounts.ask_reset(OLD, ip="192.0.2.1")
    accounts.reset(link_in("reset").rpartition("/")[2], "another long password", mode="test")
    with pytest.raises(Gone):
        agree("email_change_from")


def test_both_at_once_change_it_once(app: Flask) -> None:
    user = asked()
    tokens = [link_in(event).rpartition("/")[2] for event in ("email_change_from", "email_change_to")]

    def open_link(token: str) -> bool:
        with app.app_context():
            return email_change.agree(email_tokens.find(token, *email_change.BOTH))

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(open_link, tokens)) == [False, True]
    assert address_of(user) == NEW


def test_odd_and_frequent_wishes_are_refused() -> None:
    user = make_user(OLD)
    for odd in ("ada", OLD.upper(), ""):
        with pytest.raises(Invalid) as refusal:
            email_change.ask(user, odd)
        assert refusal.value.field == "email"
    for n in range(rate_limits.EMAIL_CHANGE.most):
        email_change.ask(user, f"ada{n}@new.test")
    with pytest.raises(TooManyRequests):
        email_change.ask(user, NEW)
