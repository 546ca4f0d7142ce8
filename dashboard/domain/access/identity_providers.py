"""The identity provider of an organization's end users: configured by its owner, with keys that are given or
fetched."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from joserfc.jwk import OctKey
from sqlalchemy import or_, select, update

from dashboard.config import settings
from dashboard.core import clock, crypto, http
from dashboard.core.db import db, in_transaction, lock, transaction
from dashboard.core.errors import Invalid
from dashboard.core.http import FetchFailed, Policy
from dashboard.domain import audit
from dashboard.domain.access import signing_keys
from dashboard.domain.audit import Actor
from dashboard.models import ALGORITHMS, IdentityProvider, Organization

SHARED = "HS256"
LONGEST_ISSUER = 500
SHORTEST_SECRET = 32
LONGEST_SECRET = 500
LONGEST_KEYS = http.MOST_BYTES
FETCH_AT_MOST_EVERY = timedelta(minutes=1)
FRESH = timedelta(hours=1)
"""How long a fetched key set is used without asking again. A key that its provider withdrew stops working after
that."""

MODES = ("test", "live")
_PURPOSE = "identity provider secret"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an owner enters. A `secret` of None keeps the current one."""

    issuer: str
    algorithm: str
    jwks_url: str | None = None
    jwks: Any = None
    secret: str | None = None

    @classmethod
    def of_form(cls, issuer: str, algorithm: str, jwks_url: str, jwks: str, secret: str) -> Self:
        """Parse the form; empty fields are not set. Raises Invalid."""
        if len(jwks) > LONGEST_KEYS:
            raise Invalid("The key set is too long.", field="jwks")
        keys = signing_keys.parse(jwks) if jwks.strip() else None
        return cls(issuer, algorithm, jwks_url.strip() or None, keys, secret or None)


def policy() -> Policy:
    chosen = settings().outgoing
    return Policy(chosen.ports, chosen.private, chosen.ca_file)


def audience(org_id: UUID, mode: str) -> str:
    """The audience that a token must name."""
    return f"coffer:{org_id}:{mode}"


def find(org_id: UUID, mode: str) -> IdentityProvider | None:
    query = select(IdentityProvider).filter_by(org_id=org_id, mode=mode)
    return db.session.scalar(query, execution_options={"populate_existing": True})


def put(org_id: UUID, mode: str, wanted: Wanted, *, by: Actor) -> IdentityProvider:
    """Set the identity provider of one mode, replacing the current one. `fetch` gets its keys later.

    Needs the organization's transaction; locks the organization. Raises Invalid, NoKeys.
    """
    lock(select(Organization).filter_by(id=org_id))
    row = find(org_id, mode)
    values = _checked(wanted, row, org_id)
    before = audited(row) if row else None
    if row is None:
        row = IdentityProvider(org_id=org_id, mode=mode, **values)
        db.session.add(row)
    else:
        for name, value in values.items():
            setattr(row, name, value)
    row.updated_at = clock.now()
    db.session.flush()
    audit.record(row, "identity_provider.set", by=by, before=before, after=audited(row))
    return row


def remove(row: IdentityProvider, *, by: Actor) -> None:
    """Remove it: end users' tokens of this mode are rejected from now on. Needs the organization's transaction."""
    audit.record(row, "identity_provider.removed", by=by, before=audited(row))
    db.session.delete(row)


def fetch(row: IdentityProvider) -> IdentityProvider | None:
    """Fetch the keys again, at most once a minute over all processes. The old set stays if the fetch fails.

    Opens two transactions of its own, with the network call between them. Returns None if the last fetch was just now,
    or if no slot is free, which does not count as an attempt.
    """
    if in_transaction() or row.jwks_url is None:
        raise RuntimeError("keys are fetched from an address, outside a transaction")
    try:
        with http.room(str(row.org_id)):
            return _fetched(row, row.jwks_url, row.algorithm)
    except http.NoRoom:
        return None


def _fetched(row: IdentityProvider, url: str, algorithm: str) -> IdentityProvider | None:
    with transaction(org=row.org_id):
        if not _claim(row):
            return None
    try:
        jwks, error = signing_keys.usable(signing_keys.parse(http.get(url, policy())), algorithm), None
    except FetchFailed as failure:
        jwks, error = None, str(failure)
    except signing_keys.NoKeys as refusal:
        jwks, error = None, refusal.detail
    with transaction(org=row.org_id):
        result = find(row.org_id, row.mode)
        if result is not None and (result.jwks_url, result.algorithm) == (url, algorithm):
            result.fetch_error = error
            if jwks:
                result.jwks, result.fetched_at = jwks, clock.now()
    return result


def secret_of(row: IdentityProvider) -> str:
    """The shared secret. Raises CannotDecrypt."""
    return crypto.decrypt(row.secret or "", org_id=row.org_id, purpose=_PURPOSE)


def stale(row: IdentityProvider) -> bool:
    return row.jwks_url is not None and (row.fetched_at is None or row.fetched_at < clock.now() - FRESH)


def audited(row: IdentityProvider) -> dict[str, Any]:
    """What may be shown of it; never the secret."""
    keys = len((row.jwks or {}).get("keys", []))
    return {"mode": row.mode, "issuer": row.issuer, "algorithm": row.algorithm, "jwks_url": row.jwks_url, "keys": keys}


def _claim(row: IdentityProvider) -> bool:
    now = clock.now()
    due = or_(IdentityProvider.tried_at.is_(None), IdentityProvider.tried_at <= now - FETCH_AT_MOST_EVERY)
    claimed = update(IdentityProvider).filter_by(org_id=row.org_id, id=row.id).where(due).values(tried_at=now)
    return db.session.scalar(claimed.returning(IdentityProvider.id)) is not None


def _checked(wanted: Wanted, row: IdentityProvider | None, org_id: UUID) -> dict[str, Any]:
    if wanted.algorithm not in ALGORITHMS:
        raise Invalid(f"Choose one of {', '.join(ALGORITHMS)}.", field="algorithm")
    issuer = wanted.issuer.strip()
    if not issuer or len(issuer) > LONGEST_ISSUER or not issuer.isprintable():
        raise Invalid("Enter the issuer exactly as in the tokens.", field="issuer")
    common = {"issuer": issuer, "algorithm": wanted.algorithm, "tried_at": None, "fetch_error": None}
    if wanted.algorithm == SHARED:
        if wanted.jwks_url or wanted.jwks is not None:
            raise Invalid("HS256 needs only the shared secret: leave address and keys empty.", field="secret")
        return common | {"secret": _secret(wanted, row, org_id), "jwks_url": None, "jwks": None, "fetched_at": None}
    if wanted.secret:
        raise Invalid(f"{wanted.algorithm} checks with public keys: leave the secret empty.", field="secret")
    if (wanted.jwks_url is None) == (wanted.jwks is None):
        raise Invalid("Give either the address of the key set or the key set itself.", field="jwks_url")
    if wanted.jwks is not None:
        jwks = signing_keys.usable(wanted.jwks, wanted.algorithm)
        return common | {"secret": None, "jwks_url": None, "jwks": jwks, "fetched_at": None}
    try:
        url = http.checked_url(wanted.jwks_url or "", policy())
    except Invalid as error:
        raise Invalid(error.detail, field="jwks_url") from None
    same = row is not None and (row.jwks_url, row.algorithm) == (url, wanted.algorithm)
    kept = {"jwks": row.jwks, "fetched_at": row.fetched_at} if row and same else {"jwks": None, "fetched_at": None}
    return common | kept | {"secret": None, "jwks_url": url}


def _secret(wanted: Wanted, row: IdentityProvider | None, org_id: UUID) -> str:
    if wanted.secret is None and row is not None and row.secret is not None:
        return row.secret
    secret = wanted.secret or ""
    if not SHORTEST_SECRET <= len(secret.encode()) <= LONGEST_SECRET or not secret.isprintable():
        raise Invalid(f"Enter the shared secret: at least {SHORTEST_SECRET} characters.", field="secret")
    try:
        OctKey.import_key(secret)
    except ValueError:
        raise Invalid("This is a public key, not a secret.", field="secret") from None
    return crypto.encrypt(secret, org_id=org_id, purpose=_PURPOSE)
