"""Charges over HTTP: the last cents are spent once, and what was acknowledged stays, whatever is killed."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests
from flask import Flask

from dashboard.core.db import db
from dashboard.domain.platform import verify
from dashboard.models import Organization, Transaction
from tests.factories import make_key, make_org, wallet_of
from tests.scenarios.processes import Stack, wait_until
from tests.scenarios.programs import Program, at_once

PRICE = 1_000_000
PROGRAMS = 16


@pytest.fixture
def website(stack: Stack, app_context: Flask) -> Stack:
    stack.start(worker=False)
    return stack


def program_of(stack: Stack, org: Organization) -> Program:
    return Program(stack.url, org.id, make_key(org, "wallet:charge", "wallet:read"))


def charges_of(org: Organization) -> list[str]:
    db.session.expire_all()
    return [key for (key,) in db.session.query(Transaction.key).filter_by(org_id=org.id, type="charge")]


def balance_of(org: Organization) -> int:
    db.session.expire_all()
    return int(wallet_of(org).balance)


@pytest.mark.parametrize("rounds", [1, pytest.param(50, marks=pytest.mark.soak)])
def test_of_200_charges_at_once_those_succeed_that_are_paid_for(website: Stack, rounds: int) -> None:
    for _ in range(rounds):
        paid_for = random.randint(1, 199)
        org = make_org(funds=paid_for * PRICE + PRICE // 2)
        program = program_of(website, org)
        answers = at_once([partial(program.charge, PRICE, f"last-{number}") for number in range(200)])
        codes = [answer.status_code for answer in answers]
        assert sorted(codes) == [201] * paid_for + [402] * (200 - paid_for)
        assert balance_of(org) == PRICE // 2
        assert len(charges_of(org)) == paid_for
    assert verify.broken() == []


def test_one_key_sent_in_parallel_charges_once(website: Stack) -> None:
    org = make_org(funds=100 * PRICE)
    program = program_of(website, org)
    answers = at_once([partial(program.charge, PRICE, "the same") for _ in range(20)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["transaction"]["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replay" in answer.headers for answer in answers) == 19
    assert charges_of(org) == ["the same"]
    assert balance_of(org) == 99 * PRICE


@pytest.mark.parametrize("seconds", [4, pytest.param(120, marks=pytest.mark.soak)])
def test_every_acknowledged_charge_stands_once_when_the_website_is_killed(website: Stack, seconds: int) -> None:
    """Each program repeats an unanswered charge with its key, until it is answered."""
    org = make_org(funds=1_000_000 * PRICE)
    key = make_key(org, "wallet:charge")
    over, lost, acknowledged = threading.Event(), [], []

    def run(name: int) -> None:
        program = Program(website.url, org.id, key)
        number = 0
        while not over.is_set():
            number += 1
            wait_until(partial(charged, program, f"program-{name}-{number}"), "a charge")

    def charged(program: Program, charge: str) -> bool:
        try:
            answer = program.charge(PRICE, charge)
        except requests.RequestException:
            lost.append(charge)
            return False
        assert answer.status_code == 201, answer.text
        acknowledged.append(charge)
        return True

    with ThreadPoolExecutor(PROGRAMS) as programs:
        running = [programs.submit(run, name) for name in range(PROGRAMS)]
        kills = website.kill_web_workers(seconds, until=lambda: lost)
        over.set()
        for one in running:
            one.result()
    print(f"{kills} kills, {len(lost)} charges without an answer, {len(acknowledged)} acknowledged")
    assert kills > 0
    assert len(set(acknowledged)) == len(acknowledged)
    assert sorted(charges_of(org)) == sorted(acknowledged)
    assert balance_of(org) == (1_000_000 - len(acknowledged)) * PRICE
    assert verify.broken() == []
