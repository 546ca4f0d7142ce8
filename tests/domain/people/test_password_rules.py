"""What may be a password: anything long enough that is not easily guessed, taken as it is typed."""

import pytest
from flask import Flask

from dashboard.domain.people import passwords
from tests.each import each


@pytest.mark.parametrize("length", [64, 128, 200])
def test_a_password_counts_whole_and_exactly(app_context: Flask, length: int) -> None:
    password = ("Ab 9" * 50)[: length - 1] + "x"
    passwords.check(password, email="ada@example.test")
    stored = passwords.hashed(password)
    assert passwords.matches(stored, password)
    for other in (password[:-1] + "y", password.lower(), f" {password}"[:200], password + " ", password[:63]):
        assert not passwords.matches(stored, other)


@each(
    "password", ["correct horse battery", "только кириллица", "        spaced out", "1357924680135", "!!??--__((wow))"]
)
def test_any_characters_make_a_password(app_context: Flask, password: str) -> None:
    passwords.check(password, email="ada@example.test")
