"""Passwords: Argon2id, the same work for nobody, and never too many hashes at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from dashboard.domain.identity import passwords

pytestmark = pytest.mark.usefixtures("app_context")


def test_a_password_matches_its_own_hash_alone() -> None:
    one, two = passwords.hashed("coffer-demo"), passwords.hashed("coffer-demo")
    assert one != two
    assert one.startswith("$argon2id$")
    assert passwords.matches(one, "coffer-demo")
    assert not passwords.matches(one, "coffer-demo ")
    assert not passwords.matches(one, "")
    assert not passwords.matches(one, "x" * 1_000_000)


@pytest.mark.parametrize("odd", [None, "", "x", "$argon2id$v=19$m=8,t=1,p=1$x"])
def test_no_hash_and_an_odd_hash_match_nothing(odd: str | None) -> None:
    assert not passwords.matches(odd, "coffer-demo")
    assert not passwords.matches(odd, "nobody's password")


def test_unicode_passwords_are_taken_as_they_are() -> None:
    assert passwords.matches(passwords.hashed("pässwörd 密码 🙂"), "pässwörd 密码 🙂")


def test_many_at_once_wait_for_a_place(app: Flask) -> None:
    stored = passwords.hashed("coffer-demo")

    def verify(_: int) -> bool:
        with app.app_context():
            return passwords.matches(stored, "coffer-demo")

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(verify, range(64)))
