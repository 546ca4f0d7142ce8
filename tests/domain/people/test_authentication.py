"""Signing up and in: what a new person gets, what is refused, and how often one may try."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid, TooManyRequests
from dashboard.domain import rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.funds import wallets
from dashboard.domain.organizations import organizations, registration, user_organizations
from dashboard.domain.people import (
    authentication,
    devices,
    passwords,
    sign_up_credits,
    users,
)
from dashboard.domain.platform import erasure
from dashboard.models import (
    PLATFORM_ORG_ID,
    AuditEntry,
    CreditGrant,
    Membership,
    OrgDirectory,
    RateBucket,
    Transaction,
    User,
    Wallet,
)
from tests.each import each
from tests.factories import charge

PASSWORD = "coffer-demo"
pytestmark = pytest.mark.usefixtures("app_context")


def sign_up(email: str = "ada@demo.test", name: str = "Ada Lovelace") -> User:
    return registration.sign_up(name=name, email=email, password=PASSWORD, ip="192.0.2.1", mode="test")


def test_a_new_person_owns_an_organization_with_the_initial_credits() -> None:
    user = sign_up(" Ada@Demo.test")
    assert (user.email, user.email_verified_at, user.is_manager) == ("ada@demo.test", None, False)
    [entry] = user_organizations.listed(user.id)
    assert (entry.role, entry.org.kind, entry.org.slug) == ("owner", "personal", "ada-lovelace")
    assert users.personal_organization(user.id) == entry.org
    assert organizations.by_slug("ada-lovelace") == entry.org
    balances = {
        wallet.mode: wallet.balance for wallet in db.session.scalars(select(Wallet).filter_by(org_id=entry.org.id))
    }
    assert balances == {"test": 10_000_000, "live": 0}
    row = db.session.scalars(select(Transaction)).one()
    assert (row.type, row.amount, row.origin, row.key) == ("admin_grant", 10_000_000, "signup", str(user.id))
    assert db.session.scalars(select(CreditGrant.kind)).one() == "promotional"


def test_initial_credits_are_a_setting_and_are_given_once(make_app: Callable[..., Flask]) -> None:
    with make_app(credits={"initial_credits_for_standard_users": "2.50"}).app_context():
        user = sign_up()
        org = users.personal_organization(user.id)
        assert org is not None
        assert wallets.of_organization(org.id, "test").balance == 2_500_000
        with transaction(org.id):
            sign_up_credits.grant(org, user, mode="test", micros=authentication.settings().initial_micros)
        assert db.session.scalar(select(func.count()).select_from(Transaction)) == 1
    with make_app(credits={"initial_credits_for_standard_users": 0}).app_context():
        assert users.personal_organization(sign_up("bob@demo.test").id) is not None
        assert db.session.scalar(select(func.count()).select_from(Transaction)) == 1


def test_an_address_gets_sign_up_credits_once() -> None:
    first = sign_up("ada@demo.test")
    with transaction():
        first.email = "ada.new@demo.test"
    org = users.personal_organization(sign_up("ADA@demo.test").id)
    assert org is not None
    assert wallets.of_organization(org.id, "test").balance == 0
    assert db.session.scalar(select(func.count()).select_from(Transaction)) == 1


def test_erasing_an_account_and_signing_up_again_brings_no_second_welcome() -> None:
    """Also if they were spent, and in any case of the address."""
    given = []
    for address in ("ada@demo.test", "ada@demo.test", "ADA@Demo.Test"):
        user = sign_up(address)
        own = users.personal_organization(user.id)
        assert own is not None
        wallet = wallets.of_organization(own.id, "test")
        given.append(wallet.balance)
        if wallet.balance:
            charge(wallet, wallet.balance)
        erasure.erase(user, reason="They asked for it", by=Actor("user", user.id))
    assert given == [10_000_000, 0, 0]


def test_in_production_the_credits_wait_for_the_verification(make_app: Callable[..., Flask]) -> None:
    with make_app(environment="production").app_context():
        sign_up()
        assert db.session.scalar(select(func.count()).select_from(Transaction)) == 0
        registration.create_user(email="bob@demo.test", password=PASSWORD, mode="test")
        assert db.session.scalar(select(func.count()).select_from(Transaction)) == 1


def test_people_of_one_name_get_different_addresses() -> None:
    slugs = {user_organizations.listed(sign_up(f"ada{n}@demo.test").id)[0].org.slug for n in range(3)}
    assert len(slugs) == 3
    assert all(slug.startswith("ada-lovelace") for slug in slugs)


def test_an_address_signs_up_once_whatever_its_case() -> None:
    sign_up()
    with pytest.raises(users.EmailTaken):
        sign_up("ADA@demo.TEST")
    assert db.session.scalar(select(func.count()).select_from(User)) == 1


def test_of_many_sign_ups_at_once_with_one_address_one_succeeds(app: Flask) -> None:
    def attempt(_: int) -> str:
        with app.app_context():
            try:
                return str(sign_up().id)
            except users.EmailTaken:
                return "taken"

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, range(6)))
    assert results.count("taken") == 5
    assert db.session.scalar(select(func.count()).select_from(Membership)) == 1
    assert list(db.session.scalars(select(Transaction.amount))) == [10_000_000], "the form sent twice welcomes once"
    assert db.session.scalar(select(func.count()).select_from(OrgDirectory)) == 2  # the platform's and theirs


@each(
    ("field", "value"),
    [
        ("email", "ada"),
        ("email", "ada@demo.test\r\nBcc: x@y.z"),
        ("email", "a" * 100_000 + "@demo.test"),
        ("name", "  "),
        ("name", "a" * 101),
        ("name", "Ada\x1b[31m"),
        ("password", "short"),
        ("password", "x" * 201),
        ("password", "aaaaaaaaaaaa"),
        ("password", "Password1"),
        ("password", "qwertyuiop"),
        ("password", "ada@demo.test"),
    ],
)
def test_odd_values_are_refused_by_field(field: str, value: str) -> None:
    values = {"name": "Ada", "email": "ada@demo.test", "password": PASSWORD} | {field: value}
    with pytest.raises(Invalid) as refusal:
        registration.sign_up(**values, ip="192.0.2.1", mode="test")
    assert refusal.value.field == field
    assert db.session.scalar(select(func.count()).select_from(User)) == 0


def test_a_command_makes_verified_people_and_managers_without_an_organization() -> None:
    user = registration.create_user(email="bob@demo.test", password=PASSWORD, mode="test")
    assert user.email_verified_at is not None
    assert user.name == "bob"
    assert users.personal_organization(user.id) is not None
    manager = registration.create_user(email="manager@demo.test", password=PASSWORD, manager=True, mode="test")
    assert manager.is_manager
    assert user_organizations.listed(manager.id) == []
    entry = db.session.scalars(select(AuditEntry).filter_by(org_id=PLATFORM_ORG_ID)).one()
    assert (entry.action, entry.object_id) == ("user.made", str(manager.id))


def test_the_right_password_signs_in_whatever_the_case_of_the_address() -> None:
    user = sign_up()
    assert authentication.sign_in("ADA@demo.test ", PASSWORD, ip="192.0.2.1").id == user.id


def test_every_refusal_of_a_sign_in_reads_the_same() -> None:
    user = sign_up()
    with transaction():
        sign_up_disabled = users.by_id(user.id)
        assert sign_up_disabled is not None
        sign_up_disabled.disabled_at = clock.now()
    texts = set()
    for email, password in (
        ("ada@demo.test", PASSWORD),
        ("none@demo.test", PASSWORD),
        ("", ""),
        ("ada@demo.test\x00", PASSWORD),
        ("x" * 10_000, "y" * 10_000),
    ):
        with pytest.raises(authentication.BadCredentials) as refusal:
            authentication.sign_in(email, password, ip="192.0.2.1")
        texts.add((refusal.value.detail, refusal.value.code, refusal.value.field))
    assert len(texts) == 1


def test_wrong_guesses_are_limited_and_the_limit_passes() -> None:
    sign_up()
    for _ in range(rate_limits.SIGN_IN_ACCOUNT.most):
        with pytest.raises(authentication.BadCredentials):
            authentication.sign_in("ada@demo.test", "wrong-guess", ip="192.0.2.66")
    with pytest.raises(TooManyRequests) as refusal:
        authentication.sign_in("ada@demo.test", PASSWORD, ip="192.0.2.66")
    assert 0 < refusal.value.retry_after <= 2 * rate_limits.SIGN_IN_ACCOUNT.seconds
    authentication.sign_in("ada@demo.test", PASSWORD, ip="192.0.2.1")  # the victim is not locked out
    with clock.at(clock.now() + timedelta(seconds=2 * rate_limits.SIGN_IN_ACCOUNT.seconds)):
        authentication.sign_in("ada@demo.test", PASSWORD, ip="192.0.2.66")


def test_one_place_may_not_try_many_accounts() -> None:
    for n in range(rate_limits.SIGN_IN_IP.most):
        with pytest.raises(authentication.BadCredentials):
            authentication.sign_in(f"user{n}@demo.test", "wrong-guess", ip="192.0.2.66")
    counters = db.session.scalar(select(func.count()).select_from(RateBucket))
    for n in range(20):
        with pytest.raises(TooManyRequests):
            authentication.sign_in(f"another{n}@demo.test", "wrong-guess", ip="192.0.2.66")
    assert db.session.scalar(select(func.count()).select_from(RateBucket)) == counters, "what a place adds has an end"


def test_one_network_of_ipv6_is_one_place() -> None:
    """A client with one address of it has 2 to the 64 of them."""
    for number in range(rate_limits.SIGN_IN_IP.most):
        with pytest.raises(authentication.BadCredentials):
            authentication.sign_in(f"person{number}@demo.test", "a wrong guess", ip=f"2001:db8:0:7::{number:x}")
    with pytest.raises(TooManyRequests):
        authentication.sign_in("another@demo.test", "a wrong guess", ip="2001:db8:0:7:ffff::1")
    with pytest.raises(authentication.BadCredentials):
        authentication.sign_in("ada@demo.test", "a wrong guess", ip="2001:db8:0:8::1")


def test_guesses_from_everywhere_are_limited_without_locking_the_person_out() -> None:
    user = sign_up()
    with transaction():
        devices.remember(user.id, "hers")
    judged = 0
    for n in range(60):
        try:
            authentication.sign_in("ada@demo.test", f"wrong-guess-{n}", ip=f"198.51.100.{n}", device="another")
        except authentication.BadCredentials:
            judged += 1
        except TooManyRequests:
            continue
    assert judged == rate_limits.SIGN_IN_STRANGERS.most
    with pytest.raises(TooManyRequests) as refusal:
        authentication.sign_in("ada@demo.test", PASSWORD, ip="192.0.2.1")
    assert "used before" in refusal.value.detail
    assert authentication.sign_in("ada@demo.test", PASSWORD, ip="198.51.100.3", device="hers").id == user.id


def test_a_known_device_has_a_limit_too_and_is_known_to_its_person_alone() -> None:
    user = sign_up()
    sign_up("bob@demo.test")
    with transaction():
        devices.remember(user.id, "hers")
    assert not devices.known(user.id, "")
    for _ in range(rate_limits.SIGN_IN_DEVICE.most):
        with pytest.raises(authentication.BadCredentials):
            authentication.sign_in("ada@demo.test", "wrong-guess", ip="192.0.2.1", device="hers")
    with pytest.raises(TooManyRequests):
        authentication.sign_in("ada@demo.test", PASSWORD, ip="192.0.2.1", device="hers")
    for _ in range(rate_limits.SIGN_IN_ACCOUNT.most):
        with pytest.raises(authentication.BadCredentials):
            authentication.sign_in("bob@demo.test", "wrong-guess", ip="192.0.2.1", device="hers")
    with pytest.raises(TooManyRequests):
        authentication.sign_in("bob@demo.test", PASSWORD, ip="192.0.2.1", device="hers")


def test_devices_that_nobody_uses_are_forgotten() -> None:
    user = sign_up()
    with transaction():
        devices.remember(user.id, "hers")
    with clock.at(clock.now() + devices.KEPT + timedelta(days=1)), transaction():
        devices.purge()
    assert not devices.known(user.id, "hers")


def test_right_sign_ins_do_not_count() -> None:
    sign_up()
    for _ in range(rate_limits.SIGN_IN_ACCOUNT.most + 2):
        assert authentication.sign_in("ada@demo.test", PASSWORD, ip="192.0.2.1").email == "ada@demo.test"


def test_guesses_at_once_do_not_slip_through(app: Flask) -> None:
    sign_up()
    now = clock.now()  # between two windows of the count a few more are let through

    def guess(n: int) -> bool:
        with app.app_context(), clock.at(now):
            try:
                authentication.sign_in("ada@demo.test", f"wrong-guess-{n}", ip="192.0.2.66")
            except TooManyRequests:
                return False
            except authentication.BadCredentials:
                return True
            raise AssertionError

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(guess, range(40))) == rate_limits.SIGN_IN_ACCOUNT.most


def test_a_hash_of_other_parameters_is_renewed_at_sign_in(make_app: Callable[..., Flask]) -> None:
    user = sign_up()
    cheap = user.password_hash
    with make_app(password_hashing="standard").app_context():
        renewed = authentication.sign_in("ada@demo.test", PASSWORD, ip="192.0.2.1").password_hash
        assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert renewed != cheap
        assert passwords.matches(renewed, PASSWORD)
        assert not passwords.outdated(renewed)


def test_sign_ups_of_one_place_are_limited() -> None:
    for _ in range(rate_limits.SIGN_UP_IP.most):
        with transaction():
            assert rate_limits.exceeded(rate_limits.SIGN_UP_IP, "192.0.2.1") is None
    with pytest.raises(TooManyRequests):
        sign_up()
    assert db.session.scalar(select(func.count()).select_from(User)) == 0


def test_old_counts_are_forgotten() -> None:
    with transaction():
        rate_limits.exceeded(rate_limits.SIGN_UP_IP, "192.0.2.1")
    with clock.at(clock.now() + timedelta(days=3)), transaction():
        rate_limits.purge()
    assert db.session.scalar(select(func.count()).select_from(rate_limits.RateBucket)) == 0
