"""The second factor: codes of an app and recovery codes, each once, limited, and secret at rest."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pyotp
import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard.core import clock, crypto
from dashboard.core.db import db, transaction
from dashboard.core.errors import Conflict, TooManyRequests
from dashboard.domain import rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.people import authentication, second_factor, users
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, RecoveryCode, User
from tests.concurrency import somebody_waits
from tests.emails import mails
from tests.factories import PASSWORD, make_user
from tests.scenarios.processes import wait_until

pytestmark = pytest.mark.usefixtures("app_context", "amid_a_step")


def code_of(user: User, *, steps: int = 0) -> str:
    app = pyotp.TOTP(second_factor.secret_of(user))
    return app.generate_otp(int(clock.now().timestamp()) // 30 + steps)


def enrolled(email: str = "ada@demo.test", *, steps: int = -1) -> tuple[User, list[str]]:
    """Switched on with the code of a step before, so that the present one is unused."""
    user = make_user(email)
    with transaction():
        second_factor.prepare(user)
    return user, second_factor.enable(user, code_of(user, steps=steps), keep=uuid4())


def refused(user: User, code: str) -> bool:
    try:
        second_factor.check(user, code)
    except second_factor.BadCode:
        return True
    return False


def test_it_is_on_only_after_a_first_right_code() -> None:
    user = make_user("ada@demo.test")
    with pytest.raises(Conflict):
        second_factor.enable(user, "123456", keep=uuid4())
    with transaction():
        second_factor.prepare(user)
    wrong = f"{(int(code_of(user)) + 1) % 1_000_000:06}"
    with pytest.raises(second_factor.BadCode):
        second_factor.enable(user, wrong, keep=uuid4())
    assert not second_factor.on(user)
    assert len(second_factor.enable(user, code_of(user), keep=uuid4())) == 10
    assert second_factor.on(user)
    with pytest.raises(Conflict):
        second_factor.enable(user, code_of(user, steps=1), keep=uuid4())
    with pytest.raises(Conflict), transaction():
        second_factor.prepare(user)
    assert [mail.event for mail in mails(to=user.email)] == ["second_factor_on"]
    assert db.session.scalar(select(AuditEntry.action).filter_by(action="user.second_factor_on"))


def test_a_new_set_up_that_is_left_changes_nothing_for_the_app_in_use(app: Flask) -> None:
    user = make_user("ada@demo.test")
    with transaction():
        second_factor.prepare(user)
    with app.app_context():  # another browser switches it on; the page here still shows it as off
        other = users.by_id(user.id)
        assert other is not None
        second_factor.enable(other, code_of(other, steps=-1), keep=uuid4())
    assert not second_factor.on(user), "as this browser knows it"
    with pytest.raises(Conflict), transaction():
        second_factor.prepare(user)
    db.session.expire_all()
    assert not refused(user, code_of(user)), "the old app still works"
    assert second_factor.codes_left(user) == 10


def test_a_set_up_begun_again_meanwhile_is_not_switched_on_by_the_old_code(app: Flask) -> None:
    user = make_user("ada@demo.test")
    with transaction():
        second_factor.prepare(user)
    code = code_of(user)

    def enable() -> str:
        with app.app_context():
            found = users.by_id(user.id)
            assert found is not None
            second_factor.secret_of(found)
            waiting.set()
            try:
                second_factor.enable(found, code, keep=uuid4())
            except Conflict as refusal:
                return refusal.detail
            return "on"

    waiting = Event()
    with ThreadPoolExecutor(1) as pool:
        with transaction():
            second_factor.prepare(user)
            answer = pool.submit(enable)
            assert waiting.wait(10)
            wait_until(somebody_waits, "the old code to wait for the person's row")
        assert "Another set-up" in answer.result()
    db.session.expire_all()
    assert not second_factor.on(user)


def test_the_secret_and_the_codes_cannot_be_read_from_the_database() -> None:
    user, codes = enrolled()
    secret = second_factor.secret_of(user)
    assert user.totp_secret is not None
    assert secret not in user.totp_secret
    other = make_user("bob@demo.test")
    with transaction():
        other.totp_secret = user.totp_secret
    with pytest.raises(crypto.CannotDecrypt):
        second_factor.secret_of(other)
    hashes = list(db.session.scalars(select(RecoveryCode.code_hash)))
    assert len(hashes) == len(set(codes)) == 10
    assert crypto.digest(codes[0].replace("-", "")) in hashes


def test_a_code_counts_one_step_either_way_and_once() -> None:
    user, _ = enrolled(steps=-1)
    assert refused(user, code_of(user, steps=-1)), "it was used to switch it on"
    assert refused(user, code_of(user, steps=2))
    given = code_of(user)
    assert not refused(user, f" {given[:3]} {given[3:]} ")
    assert refused(user, given), "each works once"
    assert not refused(user, code_of(user, steps=1))
    assert refused(user, code_of(user)), "steps only grow"


def test_odd_codes_are_wrong_codes() -> None:
    user, _ = enrolled()
    for odd in ("", "12345", "1234567", "١٢٣٤٥٦", "-", "x" * 100_000, "\x00"):
        assert refused(user, odd), odd[:9]


def test_of_two_at_once_with_one_code_one_gets_in(app: Flask) -> None:
    user, codes = enrolled()
    for given in (code_of(user), codes[3]):

        def use(_: int, code: str = given) -> bool:
            with app.app_context():
                found = users.by_id(user.id)
                assert found is not None
                return not refused(found, code)

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(use, range(4))) == 1


def test_a_recovery_code_works_once_and_is_told() -> None:
    user, codes = enrolled()
    assert not refused(user, codes[0].upper())
    assert refused(user, codes[0])
    assert second_factor.codes_left(user) == 9
    assert mails("recovery_code_used")[0].context["left"] == 9
    other, _ = enrolled("bob@demo.test")
    assert refused(other, codes[1]), "another person's"
    home = users.personal_org_id(user.id)
    with transaction(home):
        renewed = second_factor.renew_codes(user, home=home)
    assert refused(user, codes[1]), "the old ones are dead"
    assert not refused(user, renewed[0])


def test_a_recovery_code_does_not_switch_it_on() -> None:
    user, codes = enrolled()
    home = users.personal_org_id(user.id)
    with transaction(home):
        second_factor.disable(user, by=Actor("user", user.id), home=home)
    assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 0
    assert (user.totp_secret, user.totp_enabled_at, user.totp_last_step) == (None, None, None)
    assert mails("second_factor_off")
    with transaction():
        second_factor.prepare(user)
    with pytest.raises(second_factor.BadCode):
        second_factor.enable(user, codes[0], keep=uuid4())


def test_guesses_are_limited_for_each_account_and_right_codes_are_free() -> None:
    user, codes = enrolled()
    for code in codes[:4]:
        second_factor.check(user, code)
    for _ in range(rate_limits.CODE.most):
        assert refused(user, "000000")
    with pytest.raises(TooManyRequests):
        second_factor.check(user, codes[5])
    with clock.at(clock.now() + timedelta(seconds=2 * rate_limits.CODE.seconds)):
        second_factor.check(user, codes[5])


def test_guesses_of_a_day_are_limited_too() -> None:
    user, codes = enrolled()
    with transaction():
        for _ in range(rate_limits.CODE_DAY.most):
            rate_limits.exceeded(rate_limits.CODE_DAY, str(user.id))
    with pytest.raises(TooManyRequests):
        second_factor.check(user, codes[0])


def test_a_confirmation_asks_for_the_code_where_there_is_one() -> None:
    user, codes = enrolled()
    with pytest.raises(second_factor.BadCode):
        authentication.confirm(user, PASSWORD, code="")
    authentication.confirm(user, PASSWORD, code=codes[0])
    authentication.confirm(make_user("bob@demo.test"), PASSWORD, code="")


def test_people_without_an_organization_have_it_as_well(make_app: Callable[..., Flask]) -> None:
    boss = make_user("boss@demo.test", manager=True)
    with transaction():
        second_factor.prepare(boss)
    second_factor.enable(boss, code_of(boss), keep=uuid4())
    assert mails("second_factor_on")[0].org_id == PLATFORM_ORG_ID
