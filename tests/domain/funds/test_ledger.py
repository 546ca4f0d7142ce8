"""The rules of the ledger: signs, floors, once per business fact, one chain per wallet."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, update

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError, InsufficientFunds, Invalid, NotFound
from dashboard.core.money import LARGEST
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import (
    KeyReused,
    LedgerEntry,
    NewGrant,
    Posting,
    RemovalTooLarge,
    WalletFrozen,
)
from dashboard.domain.platform import verify
from dashboard.models import TRANSACTION_TYPES, CreditGrant, Transaction, Wallet, WalletDay
from tests.each import each
from tests.factories import charge, grant, make_org, wallet_of

pytestmark = pytest.mark.usefixtures("app_context")

BIGINT = 2**63 - 1


def funded(micros: int = 100) -> Wallet:
    return wallet_of(make_org(funds=micros))


def now(wallet: Wallet) -> Wallet:
    db.session.refresh(wallet)
    return wallet


def change(wallet: Wallet, **values: object) -> None:
    with transaction(org=wallet.org_id) as session:
        session.execute(update(Wallet).filter_by(org_id=wallet.org_id, id=wallet.id).values(**values))


def remove(wallet: Wallet, micros: int, **others: object) -> Posting:
    values = {"type": "admin_removal", "origin": "test", "key": f"remove{uuid4()}", "by": SYSTEM} | others
    return ledger.post(wallet, amount=-micros, **values)


def batch(wallet: Wallet, *entries: LedgerEntry) -> list[Posting | CofferError]:
    with transaction(org=wallet.org_id):
        return ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)


def outcomes(results: list[Posting | CofferError]) -> list[str]:
    return [
        result.code if isinstance(result, CofferError) else "replayed" if result.replayed else "posted"
        for result in results
    ]


def assert_books_hold(wallet: Wallet) -> None:
    assert [one for one in verify.broken(wallet.org_id) if not one.warning] == []


def test_a_row_carries_the_chain_and_moves_balance_and_day() -> None:
    wallet = funded(100)
    posting = charge(wallet, 30, app="chat")
    assert (posting.seq, posting.amount, posting.balance_before, posting.balance_after) == (2, -30, 100, 70)
    assert (now(wallet).balance, wallet.seq) == (70, 2)
    day = db.session.scalars(select(WalletDay).filter_by(org_id=wallet.org_id, type="charge")).one()
    assert (day.day, day.app, day.amount, day.count) == (clock.today(), "chat", -30, 1)
    assert_books_hold(wallet)


@pytest.mark.parametrize("type_", [kind.name for kind in TRANSACTION_TYPES.values() if kind.sign > 0])
def test_credits_only_add(type_: str) -> None:
    wallet = funded()
    with pytest.raises(Invalid):
        ledger.post(wallet, type=type_, amount=-5, origin="test", key="k", by=SYSTEM)


@pytest.mark.parametrize("type_", ["charge", "consumption", "expiry", "admin_removal", "refund", "dispute"])
def test_debits_only_take(type_: str) -> None:
    wallet = funded()
    with pytest.raises(Invalid):
        ledger.post(wallet, type=type_, amount=5, origin="test", key="k", by=SYSTEM, slices=[NewGrant("paid", "x", 5)])


@each("amount", [0, LARGEST + 1, -LARGEST - 1, 2**63, -(2**63)])
def test_amounts_out_of_range_are_refused(amount: int) -> None:
    with pytest.raises(Invalid):
        ledger.post(funded(), type="charge", amount=amount, origin="test", key="k", by=SYSTEM)


def test_slices_of_a_credit_add_up_to_it() -> None:
    wallet = wallet_of(make_org())
    slices = [NewGrant("promotional", "bonus", 20), NewGrant("paid", "purchase", 80, priority=1)]
    values = {"type": "deposit", "amount": 100, "origin": "test", "key": "k", "by": SYSTEM}
    with pytest.raises(ValueError, match="add up"):
        ledger.post(wallet, **values, slices=slices[:1])
    posting = ledger.post(wallet, **values, slices=slices)
    found = db.session.scalars(select(CreditGrant).filter_by(transaction_id=posting.id)).all()
    assert {(part.kind, part.category, part.amount, part.priority) for part in found} == {
        ("promotional", "bonus", 20, 0),
        ("paid", "purchase", 80, 1),
    }


def test_a_charge_stops_at_zero_and_says_by_how_much() -> None:
    wallet = funded(100)
    with pytest.raises(InsufficientFunds) as refused:
        charge(wallet, 101)
    assert refused.value.extra == {"available_micros": 100, "required_micros": 101}
    assert (now(wallet).balance, wallet.seq) == (100, 1)
    charge(wallet, 100)
    with pytest.raises(InsufficientFunds):
        charge(wallet, 1)


def test_a_charge_goes_down_to_the_overdraft_limit() -> None:
    wallet = funded(100)
    change(wallet, overdraft_limit=50)
    assert charge(wallet, 150).balance_after == -50
    with pytest.raises(InsufficientFunds) as refused:
        charge(wallet, 1)
    assert refused.value.extra["available_micros"] == 0


def test_what_is_held_cannot_be_charged_or_removed() -> None:
    wallet = funded(100)
    change(wallet, held=60)
    with pytest.raises(InsufficientFunds):
        charge(wallet, 41)
    with pytest.raises(RemovalTooLarge):
        remove(wallet, 41)
    charge(wallet, 40)


def test_a_frozen_wallet_spends_nothing_but_takes_credit_and_removal() -> None:
    wallet = funded(100)
    change(wallet, frozen_at=clock.now())
    with pytest.raises(WalletFrozen):
        charge(wallet, 1)
    assert outcomes(batch(wallet, LedgerEntry(wallet.id, 1, "a"))) == ["wallet_frozen"]
    grant(wallet, 5)
    assert remove(wallet, 5).balance_after == 100


def test_a_removal_stops_at_zero_unless_told_otherwise() -> None:
    wallet = funded(100)
    change(wallet, overdraft_limit=50)
    with pytest.raises(RemovalTooLarge):
        remove(wallet, 101)
    assert remove(wallet, 101, allow_negative=True).balance_after == -1


def test_only_a_removal_heeds_the_switch() -> None:
    with pytest.raises(InsufficientFunds):
        remove(funded(100), 101, type="charge", allow_negative=True)


@pytest.mark.parametrize("type_", ["refund", "dispute"])
def test_money_that_went_back_to_the_card_may_pass_below_zero(type_: str) -> None:
    wallet = funded(100)
    change(wallet, frozen_at=clock.now())
    assert remove(wallet, 130, type=type_).balance_after == -30
    assert_books_hold(wallet)


def test_expiry_never_goes_below_zero() -> None:
    with pytest.raises(CofferError):
        remove(funded(100), 101, type="expiry")


def test_a_repeated_key_returns_the_first_row_and_moves_nothing() -> None:
    wallet = funded(100)
    first = charge(wallet, 60, key="once")
    again = charge(wallet, 60, key="once")
    assert again.replayed
    assert not first.replayed
    assert again.id == first.id
    assert (now(wallet).balance, wallet.seq) == (40, 2)
    assert grant(wallet, 7, key="g").id == grant(wallet, 7, key="g").id
    db.session.scalars(select(CreditGrant).filter_by(org_id=wallet.org_id, amount=7)).one()


def test_a_replay_holds_after_the_money_is_gone_and_the_wallet_frozen() -> None:
    wallet = funded(100)
    first = charge(wallet, 100, key="once")
    change(wallet, frozen_at=clock.now())
    assert charge(wallet, 100, key="once").id == first.id


def test_a_key_means_one_request() -> None:
    wallet = funded(100)
    charge(wallet, 10, key="once")
    with pytest.raises(KeyReused):
        charge(wallet, 11, key="once")
    with pytest.raises(KeyReused):
        ledger.post(wallet, type="consumption", amount=-10, origin="api", key="once", by=SYSTEM)
    with pytest.raises(KeyReused):
        ledger.post(wallet, type="charge", amount=-10, origin="api", key="once", by=SYSTEM, body_hash=b"other")
    ledger.post(wallet, type="charge", amount=-10, origin="usage", key="once", by=SYSTEM)
    assert charge(wallet_of(make_org(funds=50)), 11, key="once").balance_after == 39


def test_keys_of_the_two_modes_are_apart() -> None:
    org = make_org()
    for mode in ("test", "live"):
        assert not grant(wallet_of(org, mode), 10, key="same").replayed


def test_the_hash_of_a_body_knows_path_and_fields_not_their_order() -> None:
    one = ledger.body_hash("/a", {"amount": 1, "text": "x"})
    assert one == ledger.body_hash("/a", {"text": "x", "amount": 1})
    assert one != ledger.body_hash("/b", {"amount": 1, "text": "x"})
    assert one != ledger.body_hash("/a", {"amount": "1", "text": "x"})


def test_a_refusal_is_not_remembered() -> None:
    wallet = funded(100)
    with pytest.raises(InsufficientFunds):
        charge(wallet, 150, key="later")
    grant(wallet, 50)
    assert charge(wallet, 150, key="later").balance_after == 0


def test_a_balance_near_the_largest_number_refuses_what_does_not_fit() -> None:
    wallet = funded(LARGEST)
    for _ in range(8):
        grant(wallet, LARGEST)
    with pytest.raises(Invalid) as refused:
        grant(wallet, LARGEST)
    assert refused.value.field == "amount"
    assert now(wallet).balance == 9 * LARGEST < BIGINT
    with pytest.raises(Invalid), transaction(org=wallet.org_id):
        grant(wallet, LARGEST)
    assert charge(wallet, 1).balance_after == 9 * LARGEST - 1


def test_text_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(Invalid):
        charge(funded(), 1, key="nul\x00")


def test_time_never_runs_backwards_inside_a_wallet() -> None:
    wallet = wallet_of(make_org())
    later = datetime(2026, 3, 1, tzinfo=UTC)
    with clock.at(later):
        grant(wallet, 100)
    with clock.at(later - timedelta(days=2)):
        assert charge(wallet, 1).created_at == later
        batch(wallet, LedgerEntry(wallet.id, 1, "a"))
    assert_books_hold(wallet)


def test_an_unknown_wallet_is_not_found() -> None:
    wallet = funded()
    with pytest.raises(NotFound):
        charge(Wallet(org_id=wallet.org_id, id=uuid4(), mode="test"), 1)
    stranger = wallet_of(make_org())
    assert outcomes(batch(wallet, LedgerEntry(stranger.id, 1, "a"), LedgerEntry(wallet.id, 1, "b"))) == [
        "not_found",
        "posted",
    ]


def test_a_batch_posts_in_order_and_answers_in_order() -> None:
    wallet = funded(100)
    charge(wallet, 5)
    results = batch(wallet, *(LedgerEntry(wallet.id, 10, f"k{n}", f"call {n}", "chat") for n in range(5)))
    assert [(row.seq, row.balance_before, row.balance_after) for row in results] == [
        (3 + n, 95 - 10 * n, 85 - 10 * n) for n in range(5)
    ]
    rows = db.session.scalars(select(Transaction).filter_by(org_id=wallet.org_id, origin="usage")).all()
    assert {(row.description, row.app, row.key) for row in rows} == {(f"call {n}", "chat", f"k{n}") for n in range(5)}
    assert_books_hold(wallet)


def test_a_batch_charges_a_duplicate_once_inside_it_and_against_the_past() -> None:
    wallet = funded(100)
    batch(wallet, LedgerEntry(wallet.id, 10, "past"))
    entries = [LedgerEntry(wallet.id, 10, key) for key in ("past", "new", "new", "newer")]
    assert outcomes(batch(wallet, *entries)) == ["replayed", "posted", "replayed", "posted"]
    assert outcomes(batch(wallet, LedgerEntry(wallet.id, 11, "new"))) == ["idempotency_key_reused"]
    assert outcomes(batch(wallet, LedgerEntry(wallet.id, 1, "z"), LedgerEntry(wallet.id, 2, "z"))) == [
        "posted",
        "idempotency_key_reused",
    ]
    assert now(wallet).balance == 69
    assert_books_hold(wallet)


def test_a_batch_refuses_everything_in_a_wallet_after_the_first_that_does_not_fit() -> None:
    wallet = funded(100)
    entries = [LedgerEntry(wallet.id, amount, f"k{n}") for n, amount in enumerate((60, 50, 1))]
    assert outcomes(batch(wallet, *entries)) == ["posted", "insufficient_funds", "insufficient_funds"]
    assert now(wallet).balance == 40
    assert_books_hold(wallet)


def test_a_batch_larger_than_any_balance_is_refused_not_broken() -> None:
    wallet = funded(100)
    entries = [LedgerEntry(wallet.id, LARGEST, f"k{n}") for n in range(20)]
    assert set(outcomes(batch(wallet, LedgerEntry(wallet.id, 1, "fits"), *entries))) == {"posted", "insufficient_funds"}
    assert now(wallet).balance == 99


def test_a_batch_heeds_held_money_and_the_overdraft_limit() -> None:
    wallet = funded(100)
    change(wallet, held=50, overdraft_limit=10)
    assert outcomes(batch(wallet, LedgerEntry(wallet.id, 60, "a"), LedgerEntry(wallet.id, 1, "b"))) == [
        "posted",
        "insufficient_funds",
    ]


def test_a_batch_of_one_wallet_a_thousand_times_keeps_its_chain() -> None:
    wallet = funded(10_000)
    assert set(outcomes(batch(wallet, *(LedgerEntry(wallet.id, 3, f"k{n}") for n in range(1_000))))) == {"posted"}
    assert now(wallet).balance == 7_000
    assert_books_hold(wallet)


@pytest.mark.parametrize("amount", [0, -1, LARGEST + 1])
def test_a_batch_takes_amounts_above_zero_only(amount: int) -> None:
    wallet = funded()
    with pytest.raises(Invalid):
        batch(wallet, LedgerEntry(wallet.id, amount, "a"))


def test_a_batch_is_bounded_and_needs_a_transaction() -> None:
    wallet = funded()
    with pytest.raises(Invalid):
        batch(wallet, *(LedgerEntry(wallet.id, 1, str(n)) for n in range(ledger.BATCH_LIMIT + 1)))
    with pytest.raises(RuntimeError, match="transaction"):
        ledger.post_batch(wallet.org_id, [], mode="test", origin="usage", by=SYSTEM)


def test_posting_in_another_organizations_transaction_is_refused(app_context: Flask) -> None:
    wallet, other = funded(), make_org()
    with pytest.raises(RuntimeError, match="in the transaction of"), transaction(org=other.id):
        charge(wallet, 1)
    assert now(wallet).balance == 100


def test_a_rolled_back_posting_leaves_nothing() -> None:
    wallet = funded(100)
    with suppress(ZeroDivisionError), transaction(org=wallet.org_id):
        charge(wallet, 10, key="gone")
        raise ZeroDivisionError
    assert now(wallet).balance == 100
    assert not charge(wallet, 10, key="gone").replayed
    assert_books_hold(wallet)
