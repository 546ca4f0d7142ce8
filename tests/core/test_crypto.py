"""Secrets at rest are bound to their organization and purpose; tokens are stored as digests."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from flask import Flask

from dashboard.core import crypto

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
ORG = uuid4()


@contextmanager
def keys(*keys: str) -> Iterator[None]:
    app = Flask("crypto")
    crypto.init_app(app, encryption_keys=keys)
    with app.app_context():
        yield


def test_what_is_encrypted_can_be_read_back() -> None:
    with keys(NEW):
        sealed = crypto.encrypt("sk_test_ü", org_id=ORG, purpose="stripe")
        assert "sk_test" not in sealed
        assert crypto.decrypt(sealed, org_id=ORG, purpose="stripe") == "sk_test_ü"


def test_another_organization_or_purpose_cannot_read_it() -> None:
    with keys(NEW):
        sealed = crypto.encrypt("x", org_id=ORG, purpose="stripe")
        for org_id, purpose in ((uuid4(), "stripe"), (ORG, "totp"), (ORG, "strip")):
            with pytest.raises(crypto.CannotDecrypt):
                crypto.decrypt(sealed, org_id=org_id, purpose=purpose)


def test_text_cannot_move_into_the_purpose() -> None:
    with keys(NEW), pytest.raises(ValueError, match="purpose"):
        crypto.encrypt("x", org_id=ORG, purpose="stripe|y")


def test_old_keys_read_and_the_newest_writes() -> None:
    with keys(OLD):
        sealed = crypto.encrypt("x", org_id=ORG, purpose="p")
    with keys(NEW, OLD):
        assert crypto.decrypt(sealed, org_id=ORG, purpose="p") == "x"
        newer = crypto.encrypt("y", org_id=ORG, purpose="p")
    with keys(NEW):
        assert crypto.decrypt(newer, org_id=ORG, purpose="p") == "y"
        with pytest.raises(crypto.CannotDecrypt):
            crypto.decrypt(sealed, org_id=ORG, purpose="p")


def test_a_key_without_padding_is_the_same_key() -> None:
    with keys(NEW):
        sealed = crypto.encrypt("x", org_id=ORG, purpose="p")
    with keys(NEW.rstrip("=")):
        assert crypto.decrypt(sealed, org_id=ORG, purpose="p") == "x"


def test_tokens_have_256_bits_and_never_repeat() -> None:
    tokens = {crypto.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in tokens)
    assert len(crypto.digest("x")) == 32
