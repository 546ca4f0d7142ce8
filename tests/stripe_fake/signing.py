"""Events as Stripe would send them: composed from the files in tests/stripe_data/events, and signed."""

import copy
import functools
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.stripe_fake import contract

Json = dict[str, Any]


def signed(
    payload: Json | bytes, secret: str | tuple[str, ...], at: datetime | float | None = None
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one delivery, signed at `at` (now). Several secrets give several `v1`, as in a rotation."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    moment = int(at.timestamp() if isinstance(at, datetime) else time.time() if at is None else at)
    keys = (secret,) if isinstance(secret, str) else secret
    marks = [hmac.new(key.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest() for key in keys]
    header = ",".join([f"t={moment}", *(f"v1={mark}" for mark in marks)])
    return body, {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}


@functools.cache
def _file(name: str) -> str:
    return (contract.DATA / "events" / f"{name}.json").read_text()


def event_file(name: str) -> Json:
    """A copy of one of the files, unchanged: `event_file("charge.refunded.full")`."""
    loaded: Json = json.loads(_file(name))
    return loaded


def example(type_: str, variant: str | None = None) -> Json:
    """The object inside the event file of that type, the first by name where no variant is given."""
    loaded: Json = json.loads(_example(type_, variant))
    return loaded


@functools.cache
def _example(type_: str, variant: str | None) -> str:
    names = [path.stem for path in contract.event_files()]
    name = f"{type_}.{variant}" if variant else next(n for n in names if event_file(n)["type"] == type_)
    return json.dumps(event_file(name)["data"]["object"])


def event(
    type_: str,
    object_: Json | None = None,
    *,
    variant: str | None = None,
    changes: Mapping[str, Any] | None = None,
    lawful: bool = True,
    **top: Any,
) -> Json:
    """A fresh event (own id) about `object_`, or about the example of that type and variant.

    `changes` are laid over the object, `metadata` is replaced whole. `top` are fields of the event itself: `id`,
    `created`, `account`, `api_version`, `livemode`. With `lawful=False` it need not conform to the contract.
    """
    thing = copy.deepcopy(object_) if object_ is not None else example(type_, variant)
    thing.update(changes or {})
    made: Json = {
        "id": f"evt_1T{secrets.token_hex(12)}",
        "object": "event",
        "api_version": contract.version(),
        "created": int(time.time()),
        "data": {"object": thing},
        "livemode": thing.get("livemode", False),
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
        **top,
    }
    complaints = contract.check_event(made) if lawful else []
    assert not complaints, complaints
    return made


def request_id() -> str:
    return f"req_{secrets.token_hex(7)}"
