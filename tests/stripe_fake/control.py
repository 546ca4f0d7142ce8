"""The control surface: `POST /_control/<verb>` with a JSON object of arguments, answered in JSON.

The same as calling the fake's methods, for tests that run the fake in a process of its own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.stripe_fake.signing import Json

if TYPE_CHECKING:
    from tests.stripe_fake.server import FakeServer


def inject(server: "FakeServer", **how: Any) -> Json:
    """`kind`, and what `Fault` takes: `times`, `method`, `path`, `executed`, `seconds`, `status`."""
    server.fake.inject(**how)
    return {}


def clear_faults(server: "FakeServer") -> Json:
    server.fake.faults.clear()
    return {}


def calls(server: "FakeServer") -> list[Json]:
    return [dict(vars(call)) for call in server.fake.calls]


def complaints(server: "FakeServer") -> list[str]:
    """What broke the contract; a test wants this empty."""
    return server.fake.complaints


def objects(server: "FakeServer", kind: str) -> list[Json]:
    """Newest first, of all accounts: `checkout.session`, `customer`, `event`, ..."""
    return [thing for account in server.fake.accounts() for thing in account.newest(kind)]


def amend(server: "FakeServer", session: str, **changes: Any) -> Json:
    return server.fake.amend(session, **changes)


def discount(server: "FakeServer", session: str, percent: int) -> Json:
    return server.fake.discount(session, percent)


def _on_session(verb: str) -> Callable[..., Json]:
    def act(server: "FakeServer", session: str) -> Json:
        made: Json = getattr(server.fake, verb)(session)
        return made

    return act


def deliver_to(server: "FakeServer", url: str, secret: str, **which: Any) -> Json:
    server.courier.deliver_to(url, secret, **which)
    return {}


def deliveries(server: "FakeServer") -> list[Json]:
    return [delivery.shown() for delivery in server.courier.deliveries]


def hold(server: "FakeServer") -> Json:
    server.courier.held = True
    return {}


def release(server: "FakeServer") -> Json:
    server.courier.release()
    return {}


def drop_held(server: "FakeServer") -> Json:
    server.courier.drop_held()
    return {}


def idle(server: "FakeServer", within: float = 10.0) -> Json:
    return {"idle": server.courier.idle(within)}


def key(server: "FakeServer", key: str, account: str | None = None, revoked: bool = False) -> Json:
    """Which account a key belongs to, and whether it still works."""
    if account is not None:
        server.fake.account_of_key[key] = account
    (server.fake.revoked_keys.add if revoked else server.fake.revoked_keys.discard)(key)
    return {}


VERBS: dict[str, Callable[..., object]] = {
    verb.__name__: verb
    for verb in (
        inject, clear_faults, calls, complaints, objects, amend, discount,
        deliver_to, deliveries, hold, release, drop_held, idle, key,
    )
}  # fmt: skip
VERBS |= {verb: _on_session(verb) for verb in ("pay", "pay_later", "settle", "fail", "decline", "expire")}
