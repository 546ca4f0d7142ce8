"""Addresses that received sign-up credits, stored so that nobody can find out whose they were, even for erased users.

A row is the HMAC of the SHA-256 of an address. The key is random and stored encrypted in the database. It does not
change when encryption keys are rotated, so an address gets sign-up credits only once forever. Rows from before the key
hold the SHA-256, from which `renew` computes the HMAC.
"""

import hashlib
import hmac
import logging
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from dashboard.core import clock, crypto
from dashboard.core.db import db
from dashboard.core.money import Micros
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger, wallets
from dashboard.models import PLATFORM_ORG_ID, StoredKey, User, WelcomedAddress

NAME = "welcomed addresses"
AT_ONCE = 5_000

log = logging.getLogger(__name__)


def first(email: str) -> bool:
    """Whether this address never received sign-up credits; of two simultaneous calls, one is the first. Needs a
    transaction.

    Returns False if the key cannot be read, which is logged: no grant is better than one for each sign-up.
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
    """Encrypt the key with the newest encryption key, and convert up to 5,000 older rows. Needs a transaction. Raises
    CannotDecrypt."""
    key = _key()
    db.session.execute(update(StoredKey).where(StoredKey.name == NAME).values(sealed=_sealed(key)))
    rows = select(WelcomedAddress.address_hash).filter_by(keyed=False).limit(AT_ONCE).with_for_update(skip_locked=True)
    for digest in db.session.scalars(rows).all():
        keyed = {"address_hash": hmac.digest(key, digest, hashlib.sha256), "keyed": True}
        db.session.execute(update(WelcomedAddress).where(WelcomedAddress.address_hash == digest).values(**keyed))


def _key() -> bytes:
    """The key; created when it is first needed."""
    query = select(StoredKey.sealed).filter_by(name=NAME)
    sealed = db.session.scalar(query)
    if sealed is None:
        made = insert(StoredKey).values(name=NAME, sealed=_sealed(crypto.digest(crypto.token())))
        db.session.execute(made.on_conflict_do_nothing(index_elements=["name"]))
        sealed = db.session.scalars(query).one()
    return bytes.fromhex(crypto.decrypt(sealed, org_id=PLATFORM_ORG_ID, purpose=NAME))


def _sealed(key: bytes) -> str:
    return crypto.encrypt(key.hex(), org_id=PLATFORM_ORG_ID, purpose=NAME)


ORIGIN = "signup"


def grant(org_id: UUID, user: User, *, mode: str, micros: Micros) -> None:
    """Grant sign-up credits, once per user and once per address forever, no matter who has the address now.

    Needs the organization's transaction. 0 grants nothing.
    """
    if micros and first(user.email):
        ledger.post(
            wallets.of_organization(org_id, mode),
            type="admin_grant",
            amount=micros,
            origin=ORIGIN,
            key=str(user.id),
            by=SYSTEM,
            description="Welcome credits",
            slices=[ledger.NewGrant("promotional", ORIGIN, micros)],
        )
