"""JWKS: the public keys of an identity provider. Validates them and selects the ones that may have signed a token."""

import json
from collections.abc import Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from dashboard.core.errors import Invalid

MOST_KEYS = 50
MOST_TRIED = 5
"""The number of keys tried for a token that names none. Each costs a signature check before we know who calls."""

SHORTEST_RSA_BITS = 2048
_KINDS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
_KEPT = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")
_SECRET = ("d", "p", "q", "dp", "dq", "qi", "k")


class NoKeys(Invalid):
    code = "no_usable_keys"


class PrivateKey(NoKeys):
    """Anyone who sees the given key could sign tokens."""

    code = "private_key"


def parse(raw: bytes | str) -> Any:
    """Parse JSON that may be a JWKS. Raises NoKeys."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise NoKeys("This is not JSON.", field="jwks") from None


def usable(result: Any, algorithm: str) -> dict[str, Any]:
    """The keys of a JWKS that can verify signatures of `algorithm`: public keys of that type, with nothing else in
    them.

    Raises NoKeys if there are none, or if the set contains a private key.
    """
    keys = result.get("keys") if isinstance(result, Mapping) else None
    if not isinstance(keys, list):
        raise NoKeys('This is no key set: {"keys": [...]} is expected.', field="jwks")
    kept = [_kept(key) for key in keys[:MOST_KEYS] if isinstance(key, Mapping) and _fits(key, algorithm)]
    if not kept:
        raise NoKeys(f"There is no usable key for {algorithm} in it.", field="jwks")
    return {"keys": kept}


def load(kept: Mapping[str, Any], kid: str | None) -> KeySet:
    """The keys that may have signed a token that names `kid`: at most five."""
    fitting = [key for key in kept["keys"] if kid is None or key.get("kid") == kid]
    return KeySet([JWKRegistry.import_key(key) for key in fitting[:MOST_TRIED]])


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = _KINDS[algorithm]
    if key.get("kty") != kind or (curve and key.get("crv") != curve):
        return False
    if any(name in key for name in _SECRET):
        raise PrivateKey("One of these is a private key. Give only public keys, and create a new pair.", field="jwks")
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) not in (algorithm, "Ed25519"):
        return False
    try:
        bits = getattr(JWKRegistry.import_key(_kept(key)).raw_value, "key_size", SHORTEST_RSA_BITS)
    except (JoseError, ValueError, TypeError):
        return False
    return kind != "RSA" or bits >= SHORTEST_RSA_BITS


def _kept(key: Mapping[str, Any]) -> dict[str, Any]:
    """Without values that PostgreSQL cannot store. A token that names such a `kid` finds no key."""
    return {name: key[name] for name in _KEPT if _storable(key.get(name))}


def _storable(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()
