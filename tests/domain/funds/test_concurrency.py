"""Many at once: no charge beyond the money, none twice, no deadlock."""

from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy.orm import make_transient

from dashboard.core.db import db, retrying, transaction
from dashboard.core.errors import CofferError
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import LedgerEntry
from dashboard.domain.platform import verify
from dashboard.models import Wallet
from tests.concurrency import at_once
from tests.factories import charge, grant, make_org, wallet_of


def detached(wallet: Wallet) -> Wallet:
    db.session.expunge(wallet)
    make_transient(wallet)
    return wallet


def test_200_parallel_charges_with_money_for_exactly_k(app: Flask) -> None:
    with app.app_context():
        wallet = detached(wallet_of(make_org(funds=73 * 5 + 4)))

    def work(number: int) -> str:
        charge(wallet, 5, key=f"c{number}")
        return "charged"

    assert at_once(app, 200, work) == {"charged": 73, "insufficient_funds": 127}
    with app.app_context():
        assert wallet_of_again(wallet).balance == 4
        assert verify.broken(wallet.org_id) == []


def test_duplicates_in_parallel_are_charged_once(app: Flask) -> None:
    with app.app_context():
        wallet = detached(wallet_of(make_org(funds=1_000)))

    def work(number: int) -> str:
        return "replayed" if charge(wallet, 5, key=f"c{number % 10}").replayed else "charged"

    assert at_once(app, 100, work) == {"charged": 10, "replayed": 90}
    with app.app_context():
        assert wallet_of_again(wallet).balance == 950
        assert verify.broken(wallet.org_id) == []


def test_duplicates_in_parallel_batches_are_charged_once(app: Flask) -> None:
    with app.app_context():
        wallet = detached(wallet_of(make_org(funds=10_000)))
    entries = [LedgerEntry(wallet.id, 5, f"k{n}") for n in range(100)]

    def work(number: int) -> str:
        with transaction(org=wallet.org_id):
            ordered = entries if number % 2 else entries[::-1]
            results = ledger.post_batch(wallet.org_id, ordered, mode=wallet.mode, origin="usage", by=SYSTEM)
        return str(sum(not result.replayed for result in results))

    assert at_once(app, 16, work) == {"100": 1, "0": 15}
    with app.app_context():
        assert wallet_of_again(wallet).balance == 9_500
        assert verify.broken(wallet.org_id) == []


def test_batches_that_cross_over_two_wallets_do_not_deadlock(app: Flask) -> None:
    with app.app_context():
        org = make_org()
        with transaction(org=org.id) as session:
            hours = Wallet(org_id=org.id, mode="test", unit="hours")
            session.add(hours)
        wallets = [wallet_of(org, "test"), hours]
        for wallet in wallets:
            grant(wallet, 100_000)
        wallets = [detached(wallet) for wallet in wallets]
    start = Barrier(2)

    def work(number: int) -> str:
        start.wait(timeout=10)
        ordered = wallets if number % 2 else wallets[::-1]
        for step in range(40):
            with transaction(org=org.id):
                entries = [LedgerEntry(w.id, 1, f"{number}-{step}-{n}-{w.unit}") for n in range(5) for w in ordered]
                results = ledger.post_batch(org.id, entries, mode="test", origin="usage", by=SYSTEM)
            assert not any(isinstance(result, CofferError) for result in results)
        return "done"

    assert at_once(app, 2, work) == {"done": 2}
    with app.app_context():
        assert [wallet_of_again(wallet).balance for wallet in wallets] == [99_600, 99_600]
        assert verify.broken(org.id) == []


def test_charges_beside_batches_and_credits_keep_one_chain(app: Flask) -> None:
    with app.app_context():
        wallet = detached(wallet_of(make_org(funds=100_000)))

    @retrying
    def batch(number: int) -> None:
        with transaction(org=wallet.org_id):
            entries = [LedgerEntry(wallet.id, 1, f"b{number}-{n}") for n in range(20)]
            ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)

    def work(number: int) -> str:
        if number % 3 == 0:
            batch(number)
        elif number % 3 == 1:
            charge(wallet, 1, key=f"c{number}")
        else:
            grant(wallet, 1, key=f"g{number}")
        return "done"

    assert at_once(app, 90, work) == {"done": 90}
    with app.app_context():
        assert wallet_of_again(wallet).balance == 100_000 - 30 * 20 - 30 + 30
        assert verify.broken(wallet.org_id) == []


@pytest.mark.parametrize("removed", [60, 100])
def test_a_removal_beside_charges_never_leaves_less_than_nothing(app: Flask, removed: int) -> None:
    with app.app_context():
        wallet = detached(wallet_of(make_org(funds=100)))

    def work(number: int) -> str:
        if number == 5:
            ledger.post(wallet, type="admin_removal", amount=-removed, origin="test", key="r", by=SYSTEM)
            return "removed"
        charge(wallet, 10, key=f"c{number}")
        return "charged"

    counts = at_once(app, 30, work)
    with app.app_context():
        left = wallet_of_again(wallet).balance
    assert left == 100 - counts["charged"] * 10 - counts["removed"] * removed >= 0


def wallet_of_again(wallet: Wallet) -> Wallet:
    return db.session.get_one(Wallet, (wallet.org_id, wallet.id))
