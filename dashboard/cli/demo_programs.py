"""The demo's programs: their keys, and what they charge."""

import random
from datetime import UTC, datetime, timedelta
from functools import partial

from dashboard.cli.demo_use import Single, Use
from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import of_key
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger, spend_limits, wallets
from dashboard.domain.funds.spend_limits import Cap, LimitId
from dashboard.models import ApiKey, Organization, User

MODE = "test"
OWN_KEYS = {"Notebook": "member", "Reports": "admin"}
"""Keys of the demo organization's other people, by name."""

Charge = tuple[datetime, str, int, str, str, str]
"""When, with which key, micros, idempotency key, description, app."""


def make_keys(org: Organization, by: Actor) -> dict[str, ApiKey]:
    """The organization's keys, one in each state, by name. The demo's programs charge with the first."""
    known = {row.name: row for row in keys.of_org(org.id)}
    if "Production" not in known:
        soon = clock.now() + timedelta(days=30)
        make = partial(keys.make, org, mode=MODE, by=by, made_by=by.id)
        with transaction(org=org.id):
            made = make(name="Production", scopes=["wallet:read", "wallet:charge"], cap=Cap.parse("150", "month"))
            make(name="Trial", scopes=["wallet:read"], expires_at=soon)
            keys.revoke(make(name="Old server", scopes=["wallet:charge"]).row, by=by)
        return {"Production": made.row}
    return {"Production": known["Production"]}


def make_key(org: Organization, name: str, maker: User) -> ApiKey:
    """A key of the maker's own."""
    known = next((row for row in keys.of_org(org.id) if row.name == name), None)
    if known is not None:
        return known
    with transaction(org=org.id):
        return keys.make(
            org, name=name, scopes=["wallet:charge"], mode=MODE, by=Actor("user", maker.id), made_by=maker.id
        ).row


def mark_used(org: Organization, key: ApiKey) -> None:
    """The program uses its key, from a reserved address."""
    row = keys.find(org.id, key.id)
    if row:
        with transaction(org=org.id):
            keys.used(row, ip="203.0.113.7")


def spend(org: Organization, uses: tuple[Use, ...], day: datetime, programs: dict[str, ApiKey]) -> None:
    """One day's charges: fewer on weekends, and always the same for the same day."""
    chance = random.Random(f"{org.slug} {day:%F}")  # noqa: S311 - believable, not secret
    weekend = 45 if day.weekday() >= 5 else 100
    charges: list[Charge] = []
    for use in uses:
        for number in range(use.charges):
            micros = use.micros // use.charges * weekend * chance.randint(70, 135) // 10_000
            moment = day + timedelta(minutes=chance.randint(0, 15 * 60))
            key = f"demo:{use.app}:{use.description}:{day:%F}:{number}"
            charges.append((moment, use.key, micros, key, use.description, use.app))
    charge(org, sorted(charges), programs)


def charge(org: Organization, charges: list[Charge], programs: dict[str, ApiKey]) -> None:
    """Post charges as the calls of the keys would, and count them towards the keys' caps."""
    wallet_id = wallets.of_organization(org.id, MODE).id
    for moment, name, micros, key, description, app in charges:
        if moment > datetime.now(UTC):
            continue
        program = programs[name]
        entry = ledger.LedgerEntry(wallet_id, micros, key, description, app)
        with clock.at(moment), transaction(org=org.id):
            [row] = ledger.post_batch(org.id, [entry], mode=MODE, origin="api", by=of_key(program).actor)
            if program.limit_id and isinstance(row, ledger.Posting) and not row.replayed:
                spend_limits.take(LimitId(org.id, program.limit_id), amount=micros, at=moment)


def charge_once(org: Organization, single: Single, day: datetime, programs: dict[str, ApiKey]) -> None:
    moment, key = day + timedelta(hours=4), f"demo:{single.description}"
    charge(org, [(moment, single.key, single.micros, key, single.description, single.app)], programs)
