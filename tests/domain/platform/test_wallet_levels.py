"""Low and overdrawn wallets are found by an index that a charge leaves alone."""

from flask import Flask
from sqlalchemy import text

from dashboard.core.db import autocommit, db, transaction
from dashboard.domain.funds import ledger, wallets
from dashboard.domain.platform import overview
from dashboard.models import LOW_MICROS, OVERDRAWN, Wallet
from tests.factories import SYSTEM, charge, grant, make_org, wallet_of

LOW = 1
PLAN = text("EXPLAIN (ANALYZE, FORMAT JSON) SELECT org_id FROM wallets WHERE mode = 'test' AND level = 2")


def level(wallet: Wallet) -> int | None:
    return wallets.as_of_now(wallet.org_id, [wallet.id])[wallet.id].level


def remove(wallet: Wallet, micros: int) -> None:
    ledger.post(
        wallet, type="admin_removal", amount=-micros, origin="test", key=f"r{micros}", by=SYSTEM, allow_negative=True
    )


def test_a_wallets_level_follows_its_balance(app_context: Flask) -> None:
    wallet = wallet_of(make_org())
    assert level(wallet) == LOW
    grant(wallet, LOW_MICROS)
    assert level(wallet) is None
    charge(wallet, 1)
    assert level(wallet) == LOW
    remove(wallet, LOW_MICROS)
    assert level(wallet) == OVERDRAWN
    with transaction(org=wallet.org_id) as session:
        session.get_one(Wallet, (wallet.org_id, wallet.id)).held = 1
    assert level(wallet) == OVERDRAWN


def test_overdrawn_wallets_are_counted_from_their_index(app_context: Flask) -> None:
    orgs = [make_org(f"Org {number}", funds=2 * LOW_MICROS) for number in range(30)]
    remove(wallet_of(orgs[0]), 3 * LOW_MICROS)
    with db.engine.connect() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        plan = connection.execute(PLAN).scalar_one()[0]["Plan"]
        connection.execute(text("RESET enable_seqscan"))
    names = str(plan)
    assert "ix_wallets_level" in names
    assert plan["Actual Rows"] == 1
    assert {item.kind: item.count for item in overview.work_list("test")}["overdrawn"] == 1


def test_charges_that_cross_no_border_stay_cheap_updates(app_context: Flask) -> None:
    wallet = wallet_of(make_org(funds=10 * LOW_MICROS))
    charge(wallet, 1)

    def updates() -> tuple[int, int]:
        autocommit().execute(text("SELECT pg_stat_force_next_flush()"))
        found = text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'wallets'")
        all_of_them, hot = autocommit().execute(found).one()
        return all_of_them, hot

    before = updates()
    for _ in range(20):
        charge(wallet, 1)
    after = updates()
    assert after[0] - before[0] == 20
    assert after[1] - before[1] >= 19, "a full page may need one other update"
