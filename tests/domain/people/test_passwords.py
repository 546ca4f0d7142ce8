"""Passwords: Argon2id, the same work for nobody, and never too many hashes at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from dashboard.core import breached_passwords
from dashboard.core.errors import Unavailable
from dashboard.domain.people import passwords
from tests.each import each

pytestmark = pytest.mark.usefixtures("app_context")


def test_a_password_matches_its_own_hash_alone() -> None:
    one, two = passwords.hashed("coffer-demo"), passwords.hashed("coffer-demo")
    assert one != two
    assert one.startswith("$argon2id$")
    assert passwords.matches(one, "coffer-demo")
    assert not passwords.matches(one, "coffer-demo ")
    assert not passwords.matches(one, "")
    assert not passwords.matches(one, "x" * 1_000_000)


@each("odd", [None, "", "x", "$argon2id$v=19$m=8,t=1,p=1$x"])
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

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(verify, range(64)))


def test_a_flood_leaves_threads_for_pages() -> None:
    """Of the eight of a process; who finds no place is refused without waiting for one."""
    most = passwords._AT_ONCE + passwords.WAITING
    places = [passwords._place(known=True) for _ in range(most)]
    with pytest.raises(Unavailable):
        passwords._place(known=True)
    for place in places:
        place.release()
    assert most < 8


@each("leaked", ["password1", "PASSWORD1", " iloveyou ", "1q2w3e4r5t", "trustno1"])
def test_leaked_passwords_are_refused_with_a_reason(leaked: str) -> None:
    with pytest.raises(passwords.WeakPassword) as refusal:
        passwords.check(leaked, email="ada@demo.test", field="new_password")
    assert "leaked" in refusal.value.detail
    assert refusal.value.field == "new_password"


def test_the_list_is_in_order_and_holds_what_was_packed() -> None:
    content = breached_passwords.LIST.read_bytes()
    entries = [content[at : at + breached_passwords.WIDTH] for at in range(0, len(content), breached_passwords.WIDTH)]
    assert entries == sorted(set(entries))
    assert len(entries) > 15_000
    packed = breached_passwords.packed(["Password1", "short", "password1"], shortest=passwords.SHORTEST)
    assert len(packed) == breached_passwords.WIDTH
    assert packed in entries
