"""One-time secrets: a new key is kept in its creator's session, encrypted, until it is viewed, because a redirect must
not contain it."""

from datetime import timedelta
from uuid import UUID

from flask import request, session

from dashboard.core import clock, crypto, ids

FORM_LIVES = timedelta(days=1)
A_MOMENT = timedelta(seconds=2)
KEPT = "new_keys"
MOST = 5


def chosen_id(text: str) -> UUID:
    """The id that a form chose when it was shown, so that a second submit finds what the first one created.

    An id that none of our forms can have chosen is replaced by a new one.
    """
    chosen, now = ids.parse(text), clock.now()
    if chosen and chosen.version == 7 and ids.lowest(now - FORM_LIVES) <= chosen <= ids.lowest(now + A_MOMENT):
        return chosen
    return ids.new()


def keep(row_id: UUID, key: str, *, org_id: UUID) -> None:
    waiting = dict(list(session.get(KEPT, {}).items())[1 - MOST :])
    session[KEPT] = {**waiting, str(row_id): crypto.encrypt(key, org_id=org_id, purpose=_purpose(row_id))}


def take(row_id: UUID, *, org_id: UUID) -> str:
    """The key's text the first time it is viewed; empty afterwards, and for HEAD requests."""
    waiting = dict(session.get(KEPT, {}))
    sealed = waiting.pop(str(row_id), None)
    if sealed is None or request.method != "GET":
        return ""
    session[KEPT] = waiting
    try:
        return crypto.decrypt(sealed, org_id=org_id, purpose=_purpose(row_id))
    except crypto.CannotDecrypt:  # the encryption keys changed in between
        return ""


def _purpose(row_id: UUID) -> str:
    return f"new key {row_id}"
