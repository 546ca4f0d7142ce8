"""The moving window: exactly so many in any so many seconds, for all processes together, with Redis or without."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dashboard.core.throttle import Rate, Throttle
from tests.scenarios.own_servers import Valkey
from tests.servers import Servers

RATE = Rate(5, 600)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    made = Valkey(tmp_path)
    made.start()
    yield made
    made.thaw()
    made.close()


def allowed(made: Throttle, name: str, times: int, rate: Rate = RATE) -> int:
    return sum(made.take(name, rate).allowed for _ in range(times))


def nowhere() -> Throttle:
    return Throttle("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("away", [False, True])
def test_so_many_in_a_window_and_each_name_for_itself(servers: Servers, away: bool) -> None:
    made = nowhere() if away else Throttle(servers.redis_url)
    first = made.take("a", RATE)
    assert (first.allowed, first.remaining) == (True, 4)
    assert allowed(made, "a", 20) == 4
    refused = made.take("a", RATE)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert 0 < refused.reset_seconds <= first.reset_seconds == RATE.seconds
    assert allowed(made, "b", 20) == 5


def test_the_wait_is_that_of_the_oldest_call(servers: Servers) -> None:
    """Not of the whole window. What was called earlier is written into the list of calls, newest first."""
    made = Throttle(servers.redis_url)
    made.take("a", RATE)
    [name] = servers.redis.scan_iter("coffer:throttle:*")
    for age in (100, 200, 300, 450):
        servers.redis.rpush(name, repr(time.time() - age))
    refused = made.take("a", RATE)
    assert not refused.allowed
    assert 90 < refused.wait <= 150
    servers.redis.rpop(name)
    assert made.take("a", RATE).allowed


@pytest.mark.slow
@pytest.mark.parametrize("away", [False, True])
def test_the_window_moves(servers: Servers, away: bool) -> None:
    """A fixed window would let twice as many through around its edge."""
    made, rate = nowhere() if away else Throttle(servers.redis_url), Rate(4, 1)
    spans: list[tuple[float, float]] = []
    while len(spans) < 10:
        before = time.monotonic()
        if made.take("a", rate).allowed:
            spans.append((before, time.monotonic()))
        time.sleep(0.02)
    # Counted somewhere between the question and its answer, however long that took.
    assert all(later[1] - early[0] >= 0.99 for early, later in zip(spans, spans[4:], strict=False))


def test_processes_count_together(servers: Servers) -> None:
    made = [Throttle(servers.redis_url) for _ in range(4)]
    rate = Rate(50, 60)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda number: made[number % 4].take("a", rate).allowed, range(200)))
    assert sum(taken) == 50
    [name] = servers.redis.scan_iter("coffer:throttle:*")
    assert 0 < servers.redis.pttl(name) <= 60_000


@pytest.mark.slow
def test_killed_or_frozen_it_delays_one_call_and_fails_none(valkey: Valkey) -> None:
    made, rate = Throttle(valkey.url), Rate(1_000, 60)
    assert made.take("a", rate).remaining == 999
    valkey.freeze()
    assert made.take("a", rate).remaining == 999, "this process begins to count for itself"
    assert allowed(made, "a", 500, rate) == 500
    valkey.thaw()
    assert valkey.client.info("stats")["total_commands_processed"] < 100, "the breaker holds"
    made = Throttle(valkey.url)
    valkey.process.kill()
    valkey.process.wait()
    assert made.take("a", rate).remaining == 999
    assert allowed(made, "a", 500, rate) == 500


@pytest.mark.slow
def test_it_is_asked_again_after_a_while(valkey: Valkey, servers: Servers) -> None:
    made, rate = Throttle(valkey.url), Rate(1_000, 60)
    valkey.process.kill()
    valkey.process.wait()
    made.take("a", rate)
    valkey.start()
    for _ in range(600):
        made.take("a", rate)
        if list(valkey.client.scan_iter("coffer:throttle:*")):
            return
        time.sleep(0.1)
    pytest.fail("it never asked again")
