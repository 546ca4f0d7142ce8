"""Rate limits of the API: per key and token, and per address for calls without a valid one."""

from math import ceil
from uuid import UUID

from flask import Response, g

from dashboard.config import settings
from dashboard.core import logs, throttle
from dashboard.core.errors import TooManyRequests
from dashboard.core.throttle import Rate, Taken

FAILURES_SECONDS = 60
END_USERS_TIMES = 10
"""All end users of one identity provider together may make this many times the calls of one key."""


def require_room_of_provider(org_id: UUID, mode: str) -> None:
    """Count a call of an end user for the identity provider, because anyone with its key can create any number of end
    users. Raises TooManyRequests."""
    chosen = settings().api
    rate = Rate(chosen.throttle_requests * END_USERS_TIMES, chosen.throttle_seconds)
    taken = throttle.take(f"end_users:{org_id}:{mode}", rate)
    if not taken.allowed:
        raise _too_many("The end users of this organization call too often. Nothing was changed.", taken)


def require_room(name: str, *, most: int | None = None) -> None:
    """Count a call of the caller `name`, who may make `most` calls in the window, if others than usual. Raises
    TooManyRequests."""
    chosen = settings().api
    g.throttle = taken = throttle.take(name, Rate(most or chosen.throttle_requests, chosen.throttle_seconds))
    if not taken.allowed:
        rate = taken.rate
        raise _too_many(f"A key may call {rate.most} times in any {rate.seconds} seconds. Nothing was changed.", taken)


def failed() -> None:
    """Count a call that failed to authenticate by its address; valid keys from the same address keep working. Raises
    TooManyRequests."""
    rate = Rate(settings().api.throttle_failures, FAILURES_SECONDS)
    taken = throttle.take(f"failures:{logs.network_of(logs.client_ip() or '')}", rate)
    if not taken.allowed:
        raise _too_many("Too many calls from this address had no valid key.", taken)


def tell(response: Response) -> Response:
    """After each request: report how much of the caller's limit is left."""
    taken: Taken | None = g.get("throttle")
    if taken:
        response.headers["RateLimit-Limit"] = str(taken.rate.most)
        response.headers["RateLimit-Remaining"] = str(taken.remaining)
        response.headers["RateLimit-Reset"] = str(taken.reset_seconds)
        if not taken.allowed:
            response.headers["Retry-After-Ms"] = str(ceil(taken.wait * 1000))
        response.headers["RateLimit-Policy"] = f"{taken.rate.most};w={taken.rate.seconds}"
    return response


def _too_many(sentence: str, taken: Taken) -> TooManyRequests:
    return TooManyRequests(sentence, retry_after=taken.reset_seconds)
