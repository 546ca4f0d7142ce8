"""Holds over HTTP and processes: the last credit is held once, and a hold is charged once, if anyone is killed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import requests
from flask import Flask

from dashboard.core.db import db
from dashboard.domain.platform import verify
from dashboard.models import Hold, Organization, Transaction
from tests.factories import make_key, make_org, wallet_of
from tests.scenarios.processes import Stack, wait_until
from tests.scenarios.programs import Program, at_once

AMOUNT, PRICE = 300_000, 120_000


@pytest.fixture
def website(stack: Stack, app_context: Flask) -> Stack:
    stack.start(worker=False)
    return stack


class Holder(Program):
    def __init__(self, url: str, org: Organization, key: str) -> None:
        super().__init__(url, org.id, key)
        self.holds = f"{url}/api/v1/orgs/{org.id}/holds"

    def post(self, tail: str, key: str, **body: Any) -> requests.Response:
        return self.http.post(f"{self.holds}{tail}", json=body, headers={"Idempotency-Key": key}, timeout=30)


def state_of(org: Organization) -> tuple[int, int]:
    db.session.expire_all()
    wallet = wallet_of(org)
    return wallet.balance, wallet.held


def test_twenty_holds_at_once_on_the_last_credit(website: Stack) -> None:
    org = make_org(funds=1_000_000)
    holder = Holder(website.url, org, make_key(org, "holds:write"))
    answers = at_once([partial(holder.post, "", f"h{number}", amount_micros=AMOUNT) for number in range(20)])
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [402] * 17
    assert {answer.json()["code"] for answer in answers if answer.status_code == 402} == {"insufficient_funds"}
    assert state_of(org) == (1_000_000, 900_000)
    kept = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    captured = at_once([partial(holder.post, f"/{one}/capture", f"c{one}") for one in kept for _ in range(5)])
    assert [answer.status_code for answer in captured] == [200] * 15
    assert len({answer.json()["transaction"]["id"] for answer in captured}) == 3
    assert state_of(org) == (100_000, 0)
    assert verify.broken() == []


@pytest.mark.parametrize("seconds", [4, pytest.param(120, marks=pytest.mark.soak)])
def test_a_hold_is_charged_once_when_the_website_is_killed_between(website: Stack, seconds: int) -> None:
    """Each program holds, works, and captures; an unanswered step is repeated with its key until it is answered."""
    org = make_org(funds=100_000_000_000)
    key = make_key(org, "holds:write")
    over, lost, captured = threading.Event(), list[str](), list[str]()

    def run(name: int) -> None:
        holder = Holder(website.url, org, key)
        number = 0
        while not over.is_set():
            number += 1
            job = f"{name}-{number}"
            hold = wait_until(partial(answered, holder, "", f"hold-{job}", amount_micros=AMOUNT), "a hold")
            tail, end = f"/{hold['id']}", "release" if number % 4 == 0 else "capture"
            body = {"amount_micros": PRICE} if end == "capture" else {}
            step = wait_until(partial(answered, holder, f"{tail}/{end}", f"{end}-{job}", **body), "its end")
            assert step["state"] in ("captured", "released")
            if end == "capture":
                captured.append(job)

    def answered(holder: Holder, tail: str, key: str, **body: Any) -> dict[str, Any] | None:
        try:
            answer = holder.post(tail, key, **body)
        except requests.RequestException:
            lost.append(key)
            return None
        assert answer.status_code in (200, 201), answer.text
        told: dict[str, Any] = answer.json()
        return told

    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(run, name) for name in range(8)]
        website.kill_web_workers(seconds, until=lambda: lost)
        over.set()
        for one in running:
            one.result()
    charges = db.session.query(Transaction.key).filter_by(org_id=org.id, type="charge")
    assert sorted(key for (key,) in charges) == sorted(f"capture-{job}" for job in captured)
    assert state_of(org) == (100_000_000_000 - PRICE * len(captured), 0)
    assert db.session.query(Hold).filter_by(org_id=org.id, state="open").count() == 0
    assert verify.broken() == []
