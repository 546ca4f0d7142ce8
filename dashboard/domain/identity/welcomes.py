"""Which addresses initial credits were given for, kept so that nobody can ask whose they were, also of erased people.

A row is the HMAC of the SHA-256 of an address. The key is random and stands encrypted in the database; it stays the
same when encryption keys are rotated, so an address is welcomed once for ever. Rows from before the key hold the
SHA-256, from which `renew` makes the HMAC.
"""

import hashlib
import hmac
import logging

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from dashboard.core import clock, crypto
from dashboard.core.db import db
from dashboard.models import PLATFORM_ORG_ID, StoredKey, WelcomedAddress

NAME = "welcomed addresses"
AT_ONCE = 5_000

log = logging.getLogger(__name__)


def first(email: str) -> bool:
    """Whether nobody was welcomed at this address before; of two at once one is the first. Needs a transaction.

    No if the key cannot be read, which the log tells: better no gift than one for each sign-up.
    """
    digest = crypto.digest(email.lower())
    try:
        keyed = hmac.digest(_key(), digest, hashlib.sha256)
    except crypto.CannotDecrypt:
        log.error("the key of the welcomed addresses cannot be decrypted: nobody gets initial credits")
        return False
    if db.session.scalar(select(WelcomedAddress.address_hash).filter_by(address_hash=digest, keyed=False)) is not None:
        return False
    row = insert(WelcomedAddress).values(address_hash=keyed, created_at=clock.now(), keyed=True)
    made = row.on_conflict_do_nothing(index_elements=["address_hash"]).returning(WelcomedAddress.address_hash)
    return db.session.scalar(made) is not None


def renew() -> None:
    """Store the key under the newest encryption key, and key rows from before there was one, up to 5,000 of them. Needs
    a transaction. Raises CannotDecrypt."""
    key = _key()
    db.session.execute(update(StoredKey).where(StoredKey.name == NAME).values(sealed=_sealed(key)))
    rows = select(WelcomedAddress.address_hash).filter_by(keyed=False).limit(AT_ONCE).with_for_update(skip_locked=True)
    for digest in db.session.scalars(rows).all():
        keyed = {"address_hash": hmac.digest(key, digest, hashlib.sha256), "keyed": True}
        db.session.execute(update(WelcomedAddress).where(WelcomedAddress.address_hash == digest).values(**keyed))


def _key() -> bytes:
    """The key; made when it is first needed."""
    query = select(StoredKey.sealed).filter_by(name=NAME)
    sealed = db.session.scalar(query)
    if sealed is None:
        made = insert(StoredKey).values(name=NAME, sealed=_sealed(crypto.digest(crypto.token())))
        db.session.execute(made.on_conflict_do_nothing(index_elements=["name"]))
        sealed = db.session.scalars(query).one()
    return bytes.fromhex(crypto.decrypt(sealed, org_id=PLATFORM_ORG_ID, purpose=NAME))


def _sealed(key: bytes) -> str:
    return crypto.encrypt(key.hex(), org_id=PLATFORM_ORG_ID, purpose=NAME)
