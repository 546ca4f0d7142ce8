"""Sends the fake's events to webhook endpoints as unreliably as Stripe may: late, twice, out of order, again."""

import heapq
import itertools
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.stripe_fake.model import Account
from tests.stripe_fake.signing import Json, signed


@dataclass(frozen=True)
class Endpoint:
    """Where events of one account and mode go; None takes any."""

    url: str
    secret: str
    account: str | None = None
    livemode: bool | None = None

    def takes(self, account: Account) -> bool:
        return self.account in (None, account.id) and self.livemode in (None, account.livemode)


@dataclass(frozen=True)
class Plan:
    """How to deliver. `delay` in seconds, at random between the two for each copy; with `in_order` the first copies
    keep the order of what happened. A copy is tried again, `retry_after` seconds later, until the answer is 2xx."""

    copies: int = 2
    delay: tuple[float, float] = (0.02, 0.5)
    in_order: bool = False
    tries: int = 20
    retry_after: float = 0.5
    seed: int | None = None


PLAIN = Plan(copies=1, delay=(0.0, 0.0), in_order=True)


@dataclass
class Delivery:
    """One copy of one event on its way to one endpoint. `answers`: HTTP statuses so far, 0 for none."""

    event: Json
    endpoint: Endpoint
    answers: list[int] = field(default_factory=list)
    done: bool = False

    @property
    def taken(self) -> bool:
        return bool(self.answers) and 200 <= self.answers[-1] < 300

    def shown(self) -> Json:
        facts: Json = {"event": self.event["id"], "type": self.event["type"], "url": self.endpoint.url}
        return facts | {"answers": self.answers, "taken": self.taken, "done": self.done}


class Courier:
    """Threads that deliver. `held` keeps new events back until `release`."""

    def __init__(self, plan: Plan | None = None, threads: int = 4) -> None:
        self.plan = plan or Plan()
        self.held = False
        self.endpoints: list[Endpoint] = []
        self.deliveries: list[Delivery] = []
        self._kept: list[tuple[Account, list[Json]]] = []
        self._random = random.Random(self.plan.seed)
        self._due: list[tuple[float, int, Delivery]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def deliver_to(self, url: str, secret: str, **which: Any) -> Endpoint:
        endpoint = Endpoint(url, secret, **which)
        self.endpoints.append(endpoint)
        return endpoint

    def take(self, account: Account, events: list[Json]) -> None:
        """A batch that happened at once."""
        if self.held:
            self._kept.append((account, events))
            return
        now = time.monotonic()
        for endpoint in [endpoint for endpoint in self.endpoints if endpoint.takes(account)]:
            delays = [[self._random.uniform(*self.plan.delay) for _ in events] for _ in range(self.plan.copies)]
            if self.plan.in_order:
                delays[0].sort()
            for copy in delays:
                for event, delay in zip(events, copy, strict=True):
                    delivery = Delivery(event, endpoint)
                    self.deliveries.append(delivery)
                    self._put(now + delay, delivery)

    def release(self) -> None:
        """Deliver what was held, as one batch per account: order among them is as random as within one."""
        self.held = False
        kept, self._kept = self._kept, []
        accounts = {id(account): account for account, _ in kept}
        for number, account in accounts.items():
            self.take(account, [event for of, events in kept if id(of) == number for event in events])

    def drop_held(self) -> None:
        """Deliveries that never come."""
        self._kept.clear()

    def idle(self, within: float = 10.0) -> bool:
        """Waits until every delivery was taken or given up."""
        with self._changed:
            return self._changed.wait_for(lambda: all(delivery.done for delivery in self.deliveries), within)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)

    def _put(self, due: float, delivery: Delivery) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._number), delivery))
            self._changed.notify_all()

    def _next(self) -> Delivery | None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                if self._due and self._due[0][0] <= now:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(self._due[0][0] - now if self._due else None)
            return None

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (delivery := self._next()) is not None:
                delivery.answers.append(self._send(session, delivery))
                if delivery.taken or len(delivery.answers) >= self.plan.tries:
                    with self._changed:
                        delivery.done = True
                        self._changed.notify_all()
                else:
                    self._put(time.monotonic() + self.plan.retry_after, delivery)

    def _send(self, session: requests.Session, delivery: Delivery) -> int:
        # Signed again at each try, as Stripe does: an old time would be refused.
        body, headers = signed(delivery.event, delivery.endpoint.secret)
        try:
            answer = session.post(delivery.endpoint.url, data=body, headers=headers, timeout=10, allow_redirects=False)
        except requests.RequestException:
            return 0
        return answer.status_code
