"""An address is welcomed once for ever, and what is kept of it tells nobody whose it was."""

import base64
import secrets
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, crypto
from dashboard.core.db import db, transaction
from dashboard.domain.people import sign_up_credits
from dashboard.models import StoredKey, WelcomedAddress

ADA = "ada@demo.test"


def first(email: str) -> bool:
    with transaction():
        return sign_up_credits.first(email)


def fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@pytest.mark.usefixtures("app_context")
def test_what_is_kept_cannot_be_made_of_an_address_without_the_key() -> None:
    assert (first(ADA), first("ADA@demo.test"), first("ada+1@demo.test")) == (True, False, True)
    kept = set(db.session.scalars(select(WelcomedAddress.address_hash)))
    assert crypto.digest(ADA) not in kept
    assert len(kept) == 2


@pytest.mark.usefixtures("app_context")
def test_addresses_kept_without_a_key_count_and_get_one() -> None:
    with transaction():
        db.session.add(WelcomedAddress(address_hash=crypto.digest(ADA), created_at=clock.now(), keyed=False))
    assert not first(ADA)
    with transaction():
        sign_up_credits.renew()
    assert crypto.digest(ADA) not in set(db.session.scalars(select(WelcomedAddress.address_hash)))
    assert not first("Ada@Demo.test")
    assert first("bob@demo.test")


def test_the_rotation_of_encryption_keys_forgets_nobody(make_app: Callable[..., Flask]) -> None:
    old, new = fernet_key(), fernet_key()
    with make_app(encryption_keys=[old]).app_context():
        assert first(ADA)
    with make_app(encryption_keys=[new, old]).app_context():
        assert not first(ADA)
        with transaction():
            sign_up_credits.renew()
    with make_app(encryption_keys=[new], secret_key=secrets.token_hex(32)).app_context():
        assert not first(ADA)
        assert first("bob@demo.test")


def test_without_its_key_nobody_is_welcomed_twice(make_app: Callable[..., Flask]) -> None:
    with make_app(encryption_keys=[fernet_key()]).app_context():
        assert first(ADA)
    with make_app(encryption_keys=[fernet_key()]).app_context():
        assert not first(ADA)
        assert len(db.session.scalars(select(StoredKey)).all()) == 1
