"""Each check of the books finds the fault it is for, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.core.money import Micros
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger, wallets
from dashboard.domain.funds.ledger import LedgerEntry, NewGrant
from dashboard.domain.funds.spend_limits import changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.organizations import lifecycle
from dashboard.domain.platform import verify
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import PLATFORM_ORG_ID, InboxEvent, Organization, Payment, Wallet
from tests.factories import charge, grant, make_limit, make_metric, make_org, make_user, wallet_of
from tests.servers import Servers

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.fixture
def wallet(app_context: Flask) -> Wallet:
    wallet = wallet_of(make_org(funds=1_000))
    charge(wallet, 100, app="chat")
    with transaction(org=wallet.org_id):
        entries = [LedgerEntry(wallet.id, 10, f"k{n}") for n in range(5)]
        ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)
    grant(wallet, 50)
    return wallet


@contextmanager
def with_triggers_off(servers: Servers) -> Iterator[psycopg.Connection]:
    """A connection that may plant what nothing else can: no triggers, no foreign keys, all rights."""
    url = servers.database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.info.parameter_status("is_superuser") != "on":
            pytest.skip("planting faults needs a superuser")
        connection.execute("SET session_replication_role = replica")
        yield connection


def plant(servers: Servers, statement: str, **values: object) -> None:
    with with_triggers_off(servers) as connection:
        assert connection.execute(statement, values).rowcount > 0
    db.session.remove()


def change(servers: Servers, wallet: Wallet, values: str, where: str = "true") -> None:
    """Change rows of the wallet's ledger."""
    plant(servers, f"UPDATE transactions SET {values} WHERE wallet_id = %(w)s AND {where}", w=wallet.id)


def found(org_id: UUID | None = None) -> list[str]:
    return sorted({violation.check for violation in verify.broken(org_id)})


def payment(org_id: UUID, **values: object) -> Payment:
    row = {
        "org_id": org_id, "provider": "dummy", "mode": "test", "key": str(ids.new()), "body_hash": b"", "quantity": 1,
        "actor_kind": "system", "product_id": ids.new(), "version_id": ids.new(), "name": "Pack", "currency": "usd",
        "unit_price_minor": 100, "amount_minor": 100, "grant_micros": 1_000_000, "bonus_micros": 0, "success_url": "",
        "cancel_url": "",
    }  # fmt: skip
    return Payment(**(row | values))


def credited(wallet: Wallet) -> Payment:
    with transaction(org=wallet.org_id) as session:
        row = payment(wallet.org_id)
        session.add(row)
        session.flush()
        posting = ledger.post(
            wallet, type="purchase", amount=1_000_000, origin="payment", key=str(row.id), by=SYSTEM, payment_id=row.id,
            slices=[NewGrant("paid", "purchase", 1_000_000)],
        )  # fmt: skip
        row.state, row.transaction_id = "credited", posting.id
    return row


def test_sound_books_have_no_violation(wallet: Wallet) -> None:
    credited(wallet)
    assert verify.broken() == []
    assert verify.broken(wallet.org_id) == []


def test_the_checks_say_which_invariants_they_keep() -> None:
    assert {check.number for check in verify.checks()} == {1, 2, 3, 4, 6, 8, 9, 10}
    assert len({check.name for check in verify.checks()}) == len(verify.checks()) == 29
    assert [check.name for check in verify.checks() if check.warning] == ["unsealed", "lapsed", "stuck"]


def test_a_changed_amount_breaks_chain_balance_and_days(wallet: Wallet, servers: Servers) -> None:
    change(servers, wallet, "amount = amount - 1, balance_after = balance_after - 1", "seq = 3")
    assert found() == ["balance", "chain", "days"]
    first = verify.broken(wallet.org_id, only="chain")[0]
    assert (first.org_id, first.number) == (wallet.org_id, 1)
    assert first.detail.startswith("seq 4 after 3")


def test_a_missing_row_breaks_the_chain_where_it_was(wallet: Wallet, servers: Servers) -> None:
    plant(servers, "DELETE FROM transactions WHERE wallet_id = %(w)s AND seq = 4", w=wallet.id)
    assert found() == ["balance", "chain", "days"]
    assert verify.broken(only="chain")[0].detail.startswith("seq 5 after 3")


def test_a_wallet_with_another_balance_than_its_rows_is_found(wallet: Wallet, servers: Servers) -> None:
    plant(servers, "UPDATE wallets SET balance = balance + 1 WHERE id = %(w)s", w=wallet.id)
    (violation,) = verify.broken()
    assert (violation.check, violation.object) == ("balance", f"wallet {wallet.id}")
    assert "balance 901, rows sum to 900" in str(violation)


def test_a_wallet_with_another_seq_than_its_rows_is_found(wallet: Wallet, servers: Servers) -> None:
    plant(servers, "UPDATE wallets SET seq = seq + 1 WHERE id = %(w)s", w=wallet.id)
    assert found() == ["balance"]


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE wallet_days SET amount = amount + 1 WHERE wallet_id = %(w)s AND type = 'charge' AND app = 'chat'",
        "UPDATE wallet_days SET count = count + 1 WHERE wallet_id = %(w)s AND type = 'admin_grant'",
        "UPDATE wallet_days SET day = day + 1 WHERE wallet_id = %(w)s AND app = 'chat'",
        "DELETE FROM wallet_days WHERE wallet_id = %(w)s AND app = 'chat'",
    ],
)
def test_a_day_that_is_not_the_sum_of_its_rows_is_found(wallet: Wallet, servers: Servers, fault: str) -> None:
    plant(servers, fault, w=wallet.id)
    assert found() == ["days"]


def test_a_row_older_than_the_one_before_it_is_found(wallet: Wallet, servers: Servers) -> None:
    change(servers, wallet, "created_at = created_at - interval '1 microsecond'", "seq = 5")
    assert "order" in found()


def spend_all_and_one_more(wallet: Wallet) -> None:
    ledger.post(wallet, type="admin_removal", amount=-901, origin="test", key="r", by=SYSTEM, allow_negative=True)


def test_a_charge_below_the_floor_is_found(wallet: Wallet, servers: Servers) -> None:
    spend_all_and_one_more(wallet)
    assert found() == []
    change(servers, wallet, "type = 'charge'", "origin = 'test' AND key = 'r'")
    assert [violation.object for violation in verify.broken(only="floor")] != []
    plant(servers, "UPDATE wallets SET overdraft_limit = 1 WHERE id = %(w)s", w=wallet.id)
    assert verify.broken(only="floor") == []


@pytest.mark.parametrize("audited", [True, False])
def test_a_closed_organization_that_used_its_overdraft_has_whole_books(servers: Servers, audited: bool) -> None:
    """Not audited: as earlier versions closed it, which told nobody that the limit had ended."""
    org = make_org()
    wallet = wallet_of(org)
    manager = Actor("manager", make_user(manager=True).id)
    with transaction(org=org.id):
        wallets.set_overdraft(wallet, limit_micros=15, reason="Contract", by=manager)
    charge(wallet, 15)
    with transaction(org=org.id):
        lifecycle.close(org, reason="Gone", by=manager)
    ended = "DELETE FROM audit_entries WHERE org_id = %(o)s AND action = 'overdraft.changed' AND before @> %(limit)s"
    if not audited:
        plant(servers, ended, o=org.id, limit='{"overdraft_limit_micros": 15}')
    assert found() == []
    change(servers, wallet, "amount = amount - 1, balance_after = balance_after - 1", "type = 'charge'")
    assert [violation.check for violation in verify.broken(only="floor")] == ["floor"]


def test_an_overdraft_counts_for_its_own_wallet_only(wallet: Wallet, servers: Servers) -> None:
    spend_all_and_one_more(wallet)
    change(servers, wallet, "type = 'charge'", "key = 'r'")
    other = wallet_of(db.session.get_one(Organization, wallet.org_id), "live")
    with transaction(org=wallet.org_id):
        wallets.set_overdraft(other, limit_micros=15, reason="Contract", by=SYSTEM)
    assert [violation.check for violation in verify.broken(only="floor")] == ["floor"]
    with transaction(org=wallet.org_id):
        wallets.set_overdraft(wallet, limit_micros=1, reason="Contract", by=SYSTEM)
    with transaction(org=wallet.org_id):
        wallets.set_overdraft(wallet, limit_micros=0, reason="Contract", by=SYSTEM)
    assert verify.broken(only="floor") == []


def test_an_expiry_below_zero_is_found(wallet: Wallet, servers: Servers) -> None:
    spend_all_and_one_more(wallet)
    change(servers, wallet, "type = 'expiry'", "key = 'r'")
    assert "floor" in found()


def test_a_fact_booked_twice_is_found(wallet: Wallet, servers: Servers) -> None:
    with with_triggers_off(servers) as connection, connection.transaction(force_rollback=True):
        # The index makes it impossible; a restored or corrupt database may be without it.
        connection.execute("DROP INDEX uq_transactions_org_id_mode_origin_key")
        connection.execute("UPDATE transactions SET key = 'k1' WHERE wallet_id = %s AND key = 'k2'", (wallet.id,))
        keys = next(check for check in verify.checks() if check.name == "keys")
        statement = str(keys.query).replace(":org", "NULL").replace(":most", "10")
        (row,) = connection.execute(statement).fetchall()
    assert (row[0], row[1]) == (wallet.org_id, "key k1")


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE payments SET grant_micros = grant_micros + 1 WHERE id = %(p)s",
        "UPDATE payments SET bonus_micros = 5 WHERE id = %(p)s",
        "UPDATE payments SET mode = 'live' WHERE id = %(p)s",
    ],
)
def test_a_payment_credited_with_something_else_is_found(wallet: Wallet, servers: Servers, fault: str) -> None:
    plant(servers, fault, p=credited(wallet).id)
    assert found() == ["credited"]


def test_a_purchase_without_its_payment_is_found(wallet: Wallet, servers: Servers) -> None:
    row = credited(wallet)
    plant(servers, "UPDATE payments SET state = 'paid', transaction_id = NULL WHERE id = %(p)s", p=row.id)
    assert found() == ["purchases"]


def test_a_payment_credited_twice_is_found(wallet: Wallet) -> None:
    row = credited(wallet)
    ledger.post(
        wallet, type="purchase", amount=1_000_000, origin="payment", key="again", by=SYSTEM, payment_id=row.id,
        slices=[NewGrant("paid", "purchase", 1_000_000)],
    )  # fmt: skip
    assert found() == ["credited", "purchases"]


def test_transfers_that_do_not_sum_to_zero_are_found(wallet: Wallet, servers: Servers) -> None:
    change(servers, wallet, "type = 'transfer'", "key = 'k1'")
    assert found() == ["days", "transfers"]


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE credit_grants SET amount = 51, remaining = 51 WHERE wallet_id = %(w)s AND amount = 50",
        "DELETE FROM credit_grants WHERE wallet_id = %(w)s AND amount = 50",
    ],
)
def test_a_credit_whose_slices_do_not_add_up_is_found(wallet: Wallet, servers: Servers, fault: str) -> None:
    plant(servers, fault, w=wallet.id)
    assert found() == ["slices"]


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        ("UPDATE credit_grants SET remaining = 69 WHERE remaining = 70 AND wallet_id = %(w)s", ["burns", "settled"]),
        ("DELETE FROM grant_burns WHERE wallet_id = %(w)s", ["burns", "directed"]),
        ("UPDATE grant_burns SET seq_to = seq_to + 1 WHERE wallet_id = %(w)s AND seq_from = 5", ["directed"]),
        ("UPDATE grant_burns SET amount = amount + 1 WHERE wallet_id = %(w)s AND seq_from = 4", ["burns"]),
        ("UPDATE wallets SET settled_seq = 2 WHERE id = %(w)s", ["settled"]),
        ("UPDATE wallets SET next_expiry_at = NULL WHERE id = %(w)s", ["dated"]),
        ("UPDATE wallets SET next_expiry_at = next_expiry_at + interval '1 s' WHERE id = %(w)s", ["dated"]),
        ("UPDATE wallets SET next_expiry_at = now() - interval '2 h' WHERE id = %(w)s", ["lapsed"]),
        ("UPDATE grant_burns SET wallet_id = %(o)s WHERE wallet_id = %(w)s", ["borders"]),
    ],
)
def test_slices_that_do_not_follow_the_rows_are_found(servers: Servers, fault: str, checks: list[str]) -> None:
    now = clock.now()
    wallet = wallet_of(make_org(funds=100))
    for key, days in (("a", 1), ("b", 90)):
        ledger.post(
            wallet, type="admin_grant", amount=70, origin="test", key=key, by=SYSTEM,
            slices=[NewGrant("promotional", "goodwill", 70, expires_at=now + timedelta(days=days))],
        )  # fmt: skip
    charge(wallet, 5)
    with clock.at(now + timedelta(days=2)):
        charge(wallet, 5)
    with clock.at(now):
        assert found() == []
    plant(servers, fault, w=wallet.id, o=wallet.org_id)
    assert found() == checks


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        ("UPDATE usage_events SET cost = cost + 1 WHERE wallet_id = %(w)s AND key = 'b'",
         ["charged", "counters", "positions"]),
        ("UPDATE usage_events SET transaction_id = NULL, cost = 0 WHERE wallet_id = %(w)s AND key = 'b'",
         ["counters", "positions"]),
        ("UPDATE usage_positions SET cost = cost + 1 WHERE wallet_id = %(w)s", ["positions", "prices"]),
        ("DELETE FROM usage_positions WHERE wallet_id = %(w)s", ["positions"]),
        ("UPDATE usage_counters SET units = units + 1 WHERE wallet_id = %(w)s AND dimension = 'all'", ["counters"]),
        ("DELETE FROM usage_counters WHERE wallet_id = %(w)s", ["counters"]),
        ("DELETE FROM usage_counters WHERE dimension = 'hour'", ["counters"]),
        ("UPDATE usage_counters SET value = 'c' WHERE dimension = 'app'", ["counters"]),
        ("UPDATE usage_counters SET value = chr(1) || 'other' WHERE dimension = 'app'", []),
        ("UPDATE prices SET amount_micros = amount_micros + 1", ["prices"]),
        ("UPDATE prices SET kind = 'per_event', min_micros = 8", ["per_event"]),
    ],
)  # fmt: skip
def test_usage_that_does_not_add_up_is_found(servers: Servers, fault: str, checks: list[str]) -> None:
    make_metric(amount_micros=7)
    org = make_org(funds=1_000)
    usages = [Usage("tokens", units, key, b"", app="chat") for units, key in ((1, "a"), (2, "b"))]
    recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None)
    assert found() == []
    plant(servers, fault, w=wallet_of(org).id)
    assert found() == checks


def test_a_limit_that_no_charge_would_look_for_is_found(servers: Servers) -> None:
    org = make_org()
    row = make_limit(org, 5)
    with transaction(org=org.id):
        changes.begin(org.id, row.id, Cap(Micros(5), "day"), mode="test")  # a key names its own
    assert found() == []
    plant(servers, "UPDATE organizations SET has_limits = false WHERE id = %(o)s", o=org.id)
    assert found() == ["limits"]


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE memberships SET removed_at = now() WHERE org_id = %(o)s",
        "UPDATE memberships SET role = 'admin' WHERE org_id = %(o)s",
        "UPDATE users SET disabled_at = now() WHERE id IN (SELECT user_id FROM memberships WHERE org_id = %(o)s)",
    ],
)
def test_an_organization_without_an_active_owner_is_found(wallet: Wallet, servers: Servers, fault: str) -> None:
    plant(servers, fault, o=wallet.org_id)
    assert found(wallet.org_id) == ["owners"]
    plant(servers, "UPDATE organizations SET closed_at = now() WHERE id = %(o)s", o=wallet.org_id)
    assert found(wallet.org_id) == []


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE credit_grants SET org_id = %(other)s WHERE wallet_id = %(w)s AND amount = 50",
        "UPDATE transactions SET mode = 'live' WHERE wallet_id = %(w)s AND key = 'k1'",
        "UPDATE transactions SET payment_id = %(w)s WHERE wallet_id = %(w)s AND key = 'k1'",
        "UPDATE wallet_days SET org_id = %(other)s WHERE wallet_id = %(w)s AND app = 'chat'",
        "UPDATE api_keys SET org_id = %(w)s WHERE org_id = %(o)s",
    ],
)
def test_a_row_that_points_across_a_border_is_found(wallet: Wallet, servers: Servers, fault: str) -> None:
    plant(
        servers,
        """INSERT INTO api_keys (org_id, id, created_at, name, prefix, secret_hash, scopes, mode)
        VALUES (%(o)s, gen_random_uuid(), now(), 'x', 'x', 'x', '{}', 'test')""",
        o=wallet.org_id,
    )
    other: Organization = make_org()
    plant(servers, fault, w=wallet.id, o=wallet.org_id, other=other.id)
    assert "borders" in found()


def test_what_waits_too_long_is_a_warning(wallet: Wallet) -> None:
    long_ago = clock.now() - timedelta(minutes=16)
    with transaction(org=wallet.org_id) as session:
        session.add(payment(wallet.org_id, state="unknown", changed_at=long_ago))
        session.add(payment(wallet.org_id, state="unknown"))
        session.add(payment(wallet.org_id, state="pending", changed_at=long_ago))
    with transaction(org=PLATFORM_ORG_ID) as session:
        event = InboxEvent(
            org_id=PLATFORM_ORG_ID, provider="dummy", mode="test", type="x", payload=b"{}", event_id="e1"
        )
        event.next_attempt_at = long_ago
        session.add(event)
    violations = verify.broken()
    assert [(violation.check, violation.warning) for violation in violations] == [("stuck", True)] * 2


def test_only_the_first_rows_are_held(wallet: Wallet, servers: Servers) -> None:
    change(servers, wallet, "balance_before = balance_before + 1, balance_after = balance_after + 1", "seq > 2")
    change(servers, wallet, "seq = seq + 10 * seq")
    assert len(verify.broken(only="chain", most=3)) == 3
    assert len(verify.broken(only="chain")) == 8


def test_a_check_leaves_the_connection_as_it_was(wallet: Wallet) -> None:
    verify.broken(wallet.org_id)
    assert db.session.scalar(db.text("SHOW statement_timeout")) == "10s"
    with transaction() as session:
        verify.broken(wallet.org_id)
        assert session.scalar(db.text("SHOW statement_timeout")) == "1h"
    assert db.session.scalar(db.text("SHOW statement_timeout")) == "10s"
