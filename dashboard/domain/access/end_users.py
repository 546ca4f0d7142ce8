"""End users of an organization, signed in with a signed token (JWT) of its own identity provider.

The token's audience names the organization, whose configuration then decides issuer, algorithm and key. Nothing else in
the token's header is trusted, except the name of the key.
"""

import base64
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, OctKey
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from dashboard.core import clock, crypto, ids, strict_json
from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.access import identity_providers, signing_keys
from dashboard.domain.access.keys import InvalidKey
from dashboard.models import EndUser, IdentityProvider, Organization

LONGEST = 8 * 1024
LEEWAY_SECONDS = 60
LATEST = 250_000_000_000
"""In the year 9892: none of our times is later."""

LONGEST_SUBJECT = 255
TOO_MANY = "Too many new end users today. Existing ones can continue."
SEEN_EVERY = timedelta(minutes=1)
_REFUSED = ("crit", "b64", "jwk", "jku", "x5u", "zip", "enc")
"""Headers that would change how the token is read, or that bring their own key."""

# joserfc calls EdDSA Ed25519, following RFC 9864; identity providers write EdDSA.
warnings.filterwarnings("ignore", category=SecurityWarning, message="EdDSA is deprecated")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An end user with the organization, valid as long as the token."""

    row: EndUser
    org: Organization
    expires_at: datetime


def looks_signed(token: str) -> bool:
    """Whether this looks like a JWT and not like one of our keys."""
    return token.count(".") == 2


def authenticate(token: str) -> SignedIn:
    """The end user of a token, created at first use. Raises InvalidKey, with the same text for every reason, and
    TooManyRequests.

    May fetch the provider's keys, and opens its own transactions before and after. Call it outside a transaction.
    """
    if len(token) > LONGEST or not token.isascii():
        raise _invalid()
    header, claims = _part(token, 0), _part(token, 1)
    provider, org = _provider(claims.get("aud"))
    if header.get("alg") != provider.algorithm or any(name in header for name in _REFUSED):
        raise _invalid()
    kid = header.get("kid")
    if not _signed(token, provider, kid if isinstance(kid, str) else None):
        raise _invalid()
    expires_at = _in_time(claims)
    if claims.get("iss") != provider.issuer:
        raise _invalid()
    return SignedIn(_row(provider, _subject(claims)), org, expires_at)


def _part(token: str, number: int) -> dict[str, Any]:
    """Header or claims, parsed strictly: a duplicate name could mean different things to different parsers."""
    text = token.split(".")[number]
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        result = strict_json.parse(raw)
    except ValueError:
        raise _invalid() from None
    if not isinstance(result, dict):
        raise _invalid()
    return result


def _provider(audience: Any) -> tuple[IdentityProvider, Organization]:
    """The identity provider for the token, found only by the audience that the token names."""
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    name, org, mode = [*str(audience).split(":", 2), "", "", ""][:3]
    org_id = ids.parse(org)
    if org_id is None or mode not in identity_providers.MODES or f"{name}:{org_id}:{mode}" != audience:
        raise _invalid()
    row = identity_providers.find(org_id, mode) if name == "coffer" else None
    result = db.session.get(Organization, org_id) if row else None
    if row is None or result is None or result.closed_at is not None:
        raise _invalid()
    return row, result


def _signed(token: str, provider: IdentityProvider, kid: str | None) -> bool:
    if provider.algorithm == identity_providers.SHARED:
        try:
            return _checks(token, OctKey.import_key(identity_providers.secret_of(provider)), provider.algorithm)
        except crypto.CannotDecrypt:
            return False
    if identity_providers.stale(provider) or (provider.jwks_url and not _keys(provider, kid).keys):
        provider = identity_providers.fetch(provider) or provider
    # A token that names no key may be signed with any of them, so each is tried.
    return any(_checks(token, key, provider.algorithm) for key in _keys(provider, kid).keys)


def _keys(provider: IdentityProvider, kid: str | None) -> KeySet:
    return signing_keys.load(provider.jwks or {"keys": []}, kid)


def _checks(token: str, key: Any, algorithm: str) -> bool:
    try:
        jws.deserialize_compact(token, key, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _in_time(claims: Mapping[str, Any]) -> datetime:
    """The token's expiry. Raises InvalidKey if it has none, has expired, or is not valid yet."""
    now = clock.now().timestamp()
    moments = {name: claims[name] for name in ("exp", "nbf", "iat") if claims.get(name) is not None}
    if "exp" not in moments or not all(type(one) in (int, float) and 0 <= one < LATEST for one in moments.values()):
        raise _invalid()
    if (
        moments["exp"] + LEEWAY_SECONDS <= now
        or max(moments.get("nbf", 0), moments.get("iat", 0)) > now + LEEWAY_SECONDS
    ):
        raise _invalid()
    return datetime.fromtimestamp(moments["exp"], UTC)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise _invalid()
    return subject


def _row(provider: IdentityProvider, subject: str) -> EndUser:
    """The end user's row. Updates its last use at most once a minute. Raises TooManyRequests for too many new end
    users."""
    now, who = clock.now(), {"org_id": provider.org_id, "mode": provider.mode, "subject": subject}
    row = _find(**who)
    if row is None:
        rate_limits.require((rate_limits.NEW_END_USER, (str(provider.org_id), provider.mode)), refusal=TOO_MANY)
    if row is None or row.last_seen_at is None or row.last_seen_at < now - SEEN_EVERY:
        with transaction(org=provider.org_id) as session:
            session.execute(
                insert(EndUser)
                .values(id=ids.new(), created_at=now, last_seen_at=now, **who)
                .on_conflict_do_update(index_elements=["org_id", "mode", "subject"], set_={"last_seen_at": now})
            )
        row = _find(**who)
    assert row is not None  # rows of end users are never deleted
    return row


def _find(**who: Any) -> EndUser | None:
    return db.session.scalar(select(EndUser).filter_by(**who), execution_options={"populate_existing": True})


def _invalid() -> InvalidKey:
    return InvalidKey("This token is not valid. It may have expired, or name another audience, issuer or key.")
