"""Steps of holds, as tests take them: one line each."""

from typing import Any

from dashboard.core.db import db
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger, wallets
from dashboard.domain.funds.holds import steps
from dashboard.domain.funds.holds.steps import HoldRequest, HoldResult
from dashboard.domain.platform import verify
from dashboard.models import Hold, Organization, Wallet
from tests.factories import wallet_of


def asked(key: str, body: Any = None, by: Actor = SYSTEM) -> HoldRequest:
    return HoldRequest("api", key, by, ledger.body_hash("/holds", {"body": body}))


def reserve(org: Organization, amount: int, key: str = "hold", *, seconds: int = 600, **named: Any) -> HoldResult:
    return steps.reserve(
        wallet_of(org), asked(key, amount), org=org, amount=amount, seconds=seconds, **named,
    )  # fmt: skip


def capture(org: Organization, hold: Hold, key: str, amount: int | None = None, *, above: bool = False) -> HoldResult:
    request = asked(key, f"capture {hold.id} {amount}")
    return steps.capture(hold, request, org=org, amount=amount, allow_above=above)


def release(hold: Hold, key: str) -> HoldResult:
    return steps.release(hold, asked(key, f"release {hold.id}"))


def extend(org: Organization, hold: Hold, key: str, seconds: int) -> HoldResult:
    return steps.extend(hold, asked(key, f"extend {hold.id} {seconds}"), org=org, seconds=seconds)


def wallet_now(org: Organization) -> Wallet:
    db.session.rollback()
    return wallets.of_organization(org.id, "test", fresh=True)


def balances(org: Organization) -> tuple[int, int]:
    """The balance and what is held."""
    wallet = wallet_now(org)
    return wallet.balance, wallet.held


def broken(org: Organization) -> list[str]:
    """The checks that find something wrong, but for work that is late by the database's clock."""
    return [one.check for one in verify.broken(org.id) if not one.warning]
