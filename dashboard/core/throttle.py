"""How much volume one caller may send: a moving window, counted in Redis so that all processes count together.

One script, one round trip: the limiters of the usual libraries take two where the answer tells what is left. Redis away
or frozen never fails or delays a request: short time-outs, a breaker, and each process counts for itself meanwhile.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from math import ceil

from flask import Flask, current_app
from redis import Redis
from redis.exceptions import RedisError

from dashboard.core import queue
from dashboard.core.breaker import Breaker

TIMEOUT_SECONDS = 0.1
BREAKER_SECONDS = 5.0
MOST_NAMES = 10_000

_MICRO = 1_000_000

# The moments of the requests that were let through, on Redis's own clock. A refused one does not lengthen the wait.
_SCRIPT = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local most, window = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
local taken = 0
if count < most then
  redis.call('ZADD', KEYS[1], now, string.format('%.0f:%d', now, count))
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  taken, count = 1, count + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {taken, count, string.format('%.0f', oldest[2] + window - now)}
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` in any `seconds`."""

    most: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether there was room, how many more there is room for, and in how many seconds there is more again."""

    rate: Rate
    allowed: bool
    remaining: int
    reset_seconds: int


class Throttle:
    def __init__(self, url: str) -> None:
        self.redis: Redis = queue.connect(url, timeout=TIMEOUT_SECONDS)
        self._script = self.redis.register_script(_SCRIPT)
        self._breaker = Breaker("throttle away, each process counts for itself", seconds=BREAKER_SECONDS)
        self._own = _OwnCount()

    def take(self, name: str, rate: Rate) -> Taken:
        """Count one request of `name`."""
        if self._breaker.lets_through():
            try:
                found = self._script(keys=[f"coffer:throttle:{name}"], args=[rate.most, rate.seconds * _MICRO])
            except RedisError as error:
                self._breaker.failed(error)
            else:
                self._breaker.closed()
                return _taken(rate, bool(found[0]), int(found[1]), int(found[2]))
        return self._own.take(name, rate)


class _OwnCount:
    """The same in this process's memory; bounded, so that many names cannot fill it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moments: dict[str, deque[int]] = {}

    def take(self, name: str, rate: Rate) -> Taken:
        now, window = time.monotonic_ns() // 1_000, rate.seconds * _MICRO
        with self._lock:
            if name not in self._moments and len(self._moments) >= MOST_NAMES:
                self._moments.clear()
            found = self._moments.setdefault(name, deque())
            while found and found[0] <= now - window:
                found.popleft()
            allowed = len(found) < rate.most
            if allowed:
                found.append(now)
            return _taken(rate, allowed, len(found), found[0] + window - now)


def _taken(rate: Rate, allowed: bool, count: int, wait_micros: int) -> Taken:
    return Taken(rate, allowed, max(rate.most - count, 0), max(1, ceil(wait_micros / _MICRO)))


def init_app(app: Flask, redis_url: str) -> None:
    app.extensions["throttle"] = Throttle(redis_url)


def take(name: str, rate: Rate) -> Taken:
    found: Throttle = current_app.extensions["throttle"]
    return found.take(name, rate)
