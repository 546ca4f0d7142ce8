"""Stripe's state and its rules of answering: keys, idempotency, faults, the contract. No network here.

`Fake.answer` is the whole API. What a buyer does on the hosted page are methods that tests may call too: `pay`,
`pay_later`, `decline`, then `settle` or `fail` for delayed payments; `expire`, `amend`, `discount`.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.stripe_fake import contract, endpoints, signing
from tests.stripe_fake.checkout import Checkout
from tests.stripe_fake.faults import Fault, Faults
from tests.stripe_fake.model import DEFAULT_ACCOUNT, Account, Answer, Call, Refusal
from tests.stripe_fake.signing import Json


class Fake(Checkout):
    """`listeners` get every batch of events as (account, events), in the order in which things happened."""

    def __init__(self, base_url: str = "https://checkout.stripe.test", clock: Callable[[], float] = time.time) -> None:
        self.base_url = base_url
        self.clock = clock
        self.calls: list[Call] = []
        self.complaints: list[str] = []
        self.listeners: list[Callable[[Account, list[Json]], None]] = []
        self.faults = Faults()
        self.account_of_key: dict[str, str] = {}
        self.revoked_keys: set[str] = set()
        self.refuse_sessions: Refusal | None = None
        self.lock = threading.RLock()
        self._accounts: dict[tuple[str, bool], Account] = {}
        self._answers: dict[tuple[str, bool, str], tuple[str, Answer | None]] = {}

    # --- for tests

    def inject(self, kind: str, **how: Any) -> Fault:
        """The next matching calls go wrong: see `Fault`."""
        return self.faults.add(Fault(kind, **how))

    def account(self, id_: str = DEFAULT_ACCOUNT, *, livemode: bool = False) -> Account:
        with self.lock:
            return self._accounts.setdefault((id_, livemode), Account(id_, livemode))

    def accounts(self) -> list[Account]:
        return list(self._accounts.values())

    def session(self, session_id: str) -> Json:
        return self.holder(session_id).things[session_id]

    def holder(self, id_: str) -> Account:
        """The account in which an object lies."""
        for account in self.accounts():
            if id_ in account.things:
                return account
        raise Refusal(404, "resource_missing", f"No such object: '{id_}'", "id")

    def emit(self, account: Account, happened: Iterable[tuple[str, Json]]) -> list[Json]:
        """Events about what just happened, kept for `GET /v1/events` and told to the listeners as one batch."""
        made = [signing.event(type_, thing, created=int(self.clock())) for type_, thing in happened]
        account.things.update((event["id"], event) for event in made)
        for listener in self.listeners:
            listener(account, made)
        return made

    # --- the API

    def answer(self, method: str, path: str, text: str, headers: Mapping[str, str]) -> Answer:
        """One call; `text` is the form body of a POST, else the query string. Raises Dropped for no answer."""
        told = {name.lower(): value for name, value in headers.items()}
        key = told.get("authorization", "").removeprefix("Bearer ")
        again = told.get("idempotency-key") if method.upper() == "POST" else None
        complaints = contract.check_request(method, path, text)
        params = {} if complaints else contract.parameters(method, path, text)
        call = Call(method.upper(), path, params, again, key[-4:], told.get("stripe-version"))
        self.calls.append(call)
        if told.get("stripe-version") != contract.version():
            self.complaints.append(f"{method} {path}: version {told.get('stripe-version')}")
        fault = self.faults.take(method, path)
        if fault is not None and fault.comes_first:
            return fault.strike(None)
        try:
            account = self._account_of(key)
            if complaints:
                self.complaints += [f"{method} {path}: {line}" for line in complaints]
                raise Refusal(400, "parameter_unknown", complaints[0])
        except Refusal as refusal:
            return _answer(refusal.status, refusal.body())
        answer = self._once(account, call, text, fault)
        return answer if fault is None else fault.strike(answer)

    def _account_of(self, key: str) -> Account:
        modes = {"sk_test_": False, "rk_test_": False, "sk_live_": True, "rk_live_": True}
        livemode = next((live for prefix, live in modes.items() if key.startswith(prefix)), None)
        if livemode is None or key in self.revoked_keys:
            raise Refusal(401, None, f"Invalid API Key provided: {key[:8]}{'*' * 12}{key[-4:]}")
        return self.account(self.account_of_key.get(key, DEFAULT_ACCOUNT), livemode=livemode)

    def _once(self, account: Account, call: Call, text: str, fault: Fault | None) -> Answer:
        """Stripe's idempotency: the first answer, a 500 too, is the answer for ever; other parameters are an error."""
        if call.idempotency_key is None:
            return self._run(account, call, fault)
        slot, wanted = (account.id, account.livemode, call.idempotency_key), f"{call.method} {call.path}\n{text}"
        with self.lock:
            first = self._answers.get(slot)
            if first is None:
                self._answers[slot] = (wanted, None)
        if first is not None:
            return _repeat(first, wanted)
        try:
            answer = self._run(account, call, fault)
        except BaseException:
            del self._answers[slot]
            raise
        self._answers[slot] = (wanted, answer)
        return answer

    def _run(self, account: Account, call: Call, fault: Fault | None) -> Answer:
        if fault is not None and fault.instead is not None:
            return fault.instead
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
        with self.lock:
            try:
                status, body = 200, endpoints.run(self, account, call)
            except Refusal as refusal:
                status, body = refusal.status, refusal.body()
            broken = contract.check_answer(call.method, call.path, status, body)
        if broken:
            self.complaints += [f"answer to {call.method} {call.path}: {line}" for line in broken]
            raise AssertionError(broken)
        return _answer(status, body)


def _repeat(first: tuple[str, Answer | None], wanted: str) -> Answer:
    asked, answer = first
    if asked != wanted:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return _answer(400, Refusal(400, None, message, type="idempotency_error").body())
    if answer is None:
        message = "There is currently another in-progress request using this Idempotent Key."
        refusal = Refusal(409, "idempotency_key_in_use", message, type="idempotency_error")
        return _answer(409, refusal.body())
    return Answer(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"})


def _answer(status: int, body: Json) -> Answer:
    headers = {"Content-Type": "application/json", "Request-Id": signing.request_id()}
    return Answer(status, json.dumps(body).encode(), headers)
