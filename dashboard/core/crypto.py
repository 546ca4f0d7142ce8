"""Secrets: encryption at rest, random tokens and their digests."""

import hashlib
import hmac
import secrets
import string
from collections.abc import Sequence
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask, current_app

ALPHABET, TOKEN_LENGTH = string.ascii_letters + string.digits, 43
_MARK = "coffer1"


class CannotDecrypt(Exception):
    """No configured key fits, the text was changed, or it was encrypted for another organization or purpose."""


def init_app(app: Flask, *, encryption_keys: Sequence[str]) -> None:
    """Set the keys: 32 bytes each in url-safe base64, newest first. The first encrypts; all decrypt."""
    app.extensions["crypto"] = MultiFernet([Fernet(key + "=" * (-len(key) % 4)) for key in encryption_keys])


def encrypt(text: str, *, org_id: UUID, purpose: str) -> str:
    """Encrypt `text` with the newest key. It can be decrypted only for the same organization and purpose.

    Fernet has no associated data, so both are written into the plaintext and compared on decryption.
    """
    return _keys().encrypt(f"{_binding(org_id, purpose)}{text}".encode()).decode("ascii")


def decrypt(sealed: str, *, org_id: UUID, purpose: str) -> str:
    """Return the text that `encrypt` was given. Raises CannotDecrypt."""
    try:
        plain = _keys().decrypt(sealed.encode())
    except InvalidToken:
        raise CannotDecrypt("no encryption key fits") from None
    binding = _binding(org_id, purpose).encode()
    if not hmac.compare_digest(plain[: len(binding)], binding):
        raise CannotDecrypt("written for another organization or purpose")
    return plain[len(binding) :].decode()


def token() -> str:
    """256 random bits as 43 letters and digits, which a double click selects. Store its `digest`, never the token."""
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


def digest(token: str) -> bytes:
    """SHA-256: sufficient for 256 random bits, and fast. Not for passwords."""
    return hashlib.sha256(token.encode()).digest()


def _binding(org_id: UUID, purpose: str) -> str:
    if "|" in purpose:
        raise ValueError("a purpose holds no |")
    return f"{_MARK}|{org_id}|{purpose}|"


def _keys() -> MultiFernet:
    fernet: MultiFernet = current_app.extensions["crypto"]
    return fernet
