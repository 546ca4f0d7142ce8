"""The demo's programs: their keys, and what they use."""

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from dashboard.cli.demo_use import Single, Use
from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.money import parse_credits
from dashboard.domain.access import key_changes, keys, limits, service_keys
from dashboard.domain.access.permissions import of_key
from dashboard.domain.audit import Actor
from dashboard.domain.funds.spend_limits import LimitId, Spender
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Organization, User

MODE = "test"
OWN_KEYS = {"Notebook": "member", "Reports": "admin"}
"""Keys of the demo organization's other people, by name."""

BACKEND = "Billing backend"
NO_BODY = bytes(32)

AT_ONCE = timedelta(days=10)
EVENING = 15 * 60
"""Minutes after the start of a day's work."""


def make_keys(org: Organization, by: Actor) -> dict[str, ApiKey]:
    """The organization's keys, one in each state, by name. The demo's programs use the first."""
    known = {row.name: row for row in keys.of_org(org.id)}
    if "Production" not in known:
        soon = clock.now() + timedelta(days=30)
        make = partial(keys.make, org, mode=MODE, by=by, made_by=by.id)
        with transaction(org=org.id):
            made = make(name="Production", scopes=["wallet:read", "wallet:charge", "holds:write", "usage:write"])
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
            org, name=name, scopes=["usage:write"], mode=MODE, by=Actor("user", maker.id), made_by=maker.id
        ).row


def make_service_key(by: Actor) -> None:
    """The platform's own backend, which may act in every organization."""
    if any(row.name == BACKEND for row in service_keys.listing()):
        return
    with transaction(org=PLATFORM_ORG_ID):
        row = service_keys.make(
            name=BACKEND, scopes=["orgs:write", "wallet:read", "wallet:charge", "usage:write"], mode=MODE,
            reason="For the backend that bills our customers", by=by, cap=Cap.parse("10000", "month"),
        ).row  # fmt: skip
        with clock.at(datetime.now(UTC) - timedelta(hours=3)):
            keys.used(row, ip="203.0.113.7")


def set_cap(org: Organization, key: ApiKey, by: Actor) -> None:
    """Its owner limits what the key may spend."""
    with transaction(org=org.id):
        key_changes.set_cap(key, Cap.parse("150", "month"), by=by)


def set_limits(org: Organization, people: dict[str, User], by: Actor) -> None:
    """What the organization and one of its members may spend, and when an app is expensive."""
    wanted = (
        ("org", "", "month", "400", True), ("org", "", "week", "20", False), ("app", "chat-api", "day", "1.20", False),
        ("member", str(people["member"].id), "month", "25", True),
    )  # fmt: skip
    if org.has_limits:
        return
    for scope, subject, window, amount, hard in wanted:
        cap = Cap(parse_credits(amount), window, hard)
        with transaction(org=org.id):
            limits.create(org.id, scope=scope, subject=subject, cap=cap, mode=MODE, by=by)


def mark_used(org: Organization, key: ApiKey) -> None:
    """The program uses its key, from a reserved address."""
    row = keys.find(org.id, key.id)
    if row:
        with transaction(org=org.id):
            keys.used(row, ip="203.0.113.7")


def use(
    org: Organization, uses: Iterable[Use], singles: Iterable[Single], day: datetime, programs: dict[str, ApiKey]
) -> None:
    """One day's events: fewer units on weekends, and always the same for the same day. They are reported at once in the
    last weeks, and together in the evening before that."""
    chance = random.Random(f"{org.slug} {day:%F}")  # noqa: S311 - believable, not secret
    weekend = 45 if day.weekday() >= 5 else 100
    at_once = day > datetime.now(UTC) - AT_ONCE
    reports: defaultdict[tuple[datetime, str], list[Usage]] = defaultdict(list)
    for one in uses:
        for number in range(one.events):
            units = max(one.units // one.events * weekend * chance.randint(70, 135) // 10_000, 1)
            moment = day + timedelta(minutes=chance.randint(0, EVENING))
            key = f"demo:{one.app}:{one.metric}:{one.units}:{day:%F}:{number}"
            reported = moment if at_once else day + timedelta(minutes=EVENING)
            reports[reported, one.key].append(Usage(one.metric, units, key, NO_BODY, occurred_at=moment, app=one.app))
    for single in singles:
        key = f"demo:{single.app}:{single.units}"
        reports[day + timedelta(hours=4), single.key].append(
            Usage(single.metric, single.units, key, NO_BODY, app=single.app)
        )
    for (moment, name), events in sorted(reports.items(), key=lambda report: report[0]):
        record(org, moment, programs[name], events)


def record(org: Organization, moment: datetime, program: ApiKey, events: list[Usage]) -> None:
    """Report usage as a call of the key would; what does not fit is refused."""
    if moment > datetime.now(UTC):
        return
    by = of_key(program).actor
    spender = Spender(by.user_id, LimitId(org.id, program.limit_id) if program.limit_id else None)
    events.sort(key=lambda event: event.occurred_at or moment)
    with clock.at(moment):
        recording.record(org, events, mode=MODE, by=by, api_key_id=program.id, spender=spender)
