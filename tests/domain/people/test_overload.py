"""When too many people sign in at once, nobody is locked out by it, and people we know still get in."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Unavailable
from dashboard.domain import rate_limits
from dashboard.domain.organizations import registration
from dashboard.domain.people import accounts, authentication, devices, passwords, users
from dashboard.models import User
from tests.concurrency import somebody_waits, taken
from tests.emails import link_in
from tests.factories import PASSWORD, make_user
from tests.scenarios.processes import wait_until

IP = "192.0.2.1"
NEW = "another long password"
pytestmark = pytest.mark.usefixtures("app_context")


def test_a_busy_answer_does_not_count_as_a_wrong_password() -> None:
    make_user("ada@demo.test")
    with taken(passwords._room, passwords._kept):
        for _ in range(rate_limits.SIGN_IN_STRANGERS.most + 1):
            with pytest.raises(Unavailable):
                authentication.sign_in("ada@demo.test", PASSWORD, ip=IP)
    assert authentication.sign_in("ada@demo.test", PASSWORD, ip=IP)


def test_a_busy_answer_does_not_count_as_a_wrong_confirmation() -> None:
    user = make_user("ada@demo.test")
    with taken(passwords._room, passwords._kept):
        for _ in range(rate_limits.CONFIRM_DAY.most + 1):
            with pytest.raises(Unavailable):
                authentication.confirm(user, PASSWORD)
    authentication.confirm(user, PASSWORD)


def test_a_busy_answer_does_not_use_up_a_places_sign_ups() -> None:
    with taken(passwords._room):
        for n in range(rate_limits.SIGN_UP_IP.most + 1):
            with pytest.raises(Unavailable):
                registration.sign_up(name="Ada", email=f"ada{n}@demo.test", password=PASSWORD, ip=IP, mode="test")
    assert registration.sign_up(name="Ada", email="ada@demo.test", password=PASSWORD, ip=IP, mode="test")


def test_a_flood_of_strangers_leaves_a_place_for_people_we_know() -> None:
    user = make_user("ada@demo.test")
    with transaction():
        devices.remember(user.id, "hers")
    accounts.ask_reset("ada@demo.test", ip=IP)
    with taken(passwords._room):
        with pytest.raises(Unavailable):
            authentication.sign_in("ada@demo.test", PASSWORD, ip=IP, device="another")
        assert authentication.sign_in("ada@demo.test", PASSWORD, ip=IP, device="hers")
        authentication.confirm(user, PASSWORD)
        accounts.reset(link_in("reset").rpartition("/")[2], NEW, mode="test")


def test_a_password_set_during_a_sign_in_is_not_undone_by_renewing_the_old_hash(app: Flask) -> None:
    """The sign-in has verified the old password and wants to store it with today's parameters."""
    user = make_user("ada@demo.test")
    with transaction():
        lock(db.select(User).filter_by(id=user.id)).password_hash = passwords._hasher("standard").hash(PASSWORD)  # type: ignore[union-attr]
    reset = passwords.hashed(NEW)

    def sign_in() -> str:
        with app.app_context():
            try:
                return authentication.sign_in("ada@demo.test", PASSWORD, ip=IP).email
            except authentication.BadCredentials:
                return "refused"

    with ThreadPoolExecutor(1) as pool:
        with transaction(users.personal_org_id(user.id)):
            locked = lock(db.select(User).filter_by(id=user.id))
            assert locked is not None
            answer = pool.submit(sign_in)
            wait_until(somebody_waits, "the sign-in to wait for the person's row")
            locked.password_hash = reset
        assert answer.result() == "refused"
    db.session.expire_all()
    found = users.by_id(user.id)
    assert found is not None
    assert found.password_hash == reset
