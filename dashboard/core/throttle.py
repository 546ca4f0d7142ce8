"""Rate limits per caller: a moving window, counted in Redis so that all processes count together.

If Redis is unavailable or hangs, requests neither fail nor wait: timeouts are short, a circuit breaker opens, and each
process counts for itself.
"""

import time
from dataclasses import dataclass
from math import ceil

from flask import Flask, current_app
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from dashboard.core import queue
from dashboard.core.breaker import Breaker

TIMEOUT_SECONDS = 0.1
BREAKER_SECONDS = 5.0
PREFIX = "coffer:throttle"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` requests in any `seconds`."""

    most: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether the request was within the limit, how many more are, and after how long one more will be."""

    rate: Rate
    allowed: bool
    remaining: int
    wait: float

    @property
    def reset_seconds(self) -> int:
        return max(1, ceil(self.wait))


class Throttle:
    def __init__(self, url: str) -> None:
        pool = queue.connect(url, timeout=TIMEOUT_SECONDS).connection_pool
        self._shared = MovingWindowRateLimiter(RedisStorage(url, connection_pool=pool, key_prefix=PREFIX))
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._breaker = Breaker("throttle away, each process counts for itself", seconds=BREAKER_SECONDS)

    def take(self, name: str, rate: Rate) -> Taken:
        """Count one request of `name`. A rejected request does not extend the wait."""
        item = RateLimitItemPerSecond(rate.most, rate.seconds)
        if self._breaker.lets_through():
            try:
                taken = _take(self._shared, item, name, rate)
            except RedisError as error:
                self._breaker.failed(error)
            else:
                self._breaker.closed()
                return taken
        return _take(self._own, item, name, rate)


def _take(limiter: MovingWindowRateLimiter, item: RateLimitItem, name: str, rate: Rate) -> Taken:
    allowed = limiter.hit(item, name)
    result = limiter.get_window_stats(item, name)
    return Taken(rate, allowed, result.remaining, max(0.0, result.reset_time - time.time()))


def init_app(app: Flask, redis_url: str) -> None:
    app.extensions["throttle"] = Throttle(redis_url)


def take(name: str, rate: Rate) -> Taken:
    throttle: Throttle = current_app.extensions["throttle"]
    return throttle.take(name, rate)
