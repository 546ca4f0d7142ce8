"""Text for the platform's pages: states and their tones, the forecast as a sentence, what a manager did."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from dashboard.core.money import money
from dashboard.domain.funds import expiry
from dashboard.domain.funds.credit_grants import CurrentGrant
from dashboard.domain.funds.reports.forecast import Forecast
from dashboard.domain.platform import grants
from dashboard.models import LOW_MICROS, AuditEntry, Organization, Wallet
from dashboard.web.formats import day

EVENT_TONES = {"received": "info", "processed": "ok", "ignored": "", "failed": "warn", "parked": "bad"}
MAIL_TONES = {"waiting": "info", "sent": "ok", "failed": "warn", "parked": "bad", "dismissed": ""}
CATEGORIES = (
    ("goodwill", "Goodwill"),
    ("promotion", "Promotion"),
    ("correction", "Correction"),
    ("contract", "Contract (paid credit)"),
)
REMOVALS = tuple(grants.REMOVALS.items())
VISIT = "organization.visited"
MOST_ACTS = 20

Step = tuple[str, str, str, datetime | None]
"""For the timeline: title, detail, state, time."""


def runs_out(forecast: Forecast) -> str:
    """When the balance runs out, in a few words."""
    if forecast.state == "runs_out":
        return f"{day(forecast.runs_out_on)}, in {forecast.days} day{'s' if forecast.days != 1 else ''}"
    return {
        "out_of_credits": "Out of credits",
        "needs_data": "Needs 3 full days of usage",
        "no_usage": "No usage in 7 days",
        "over_a_year": "More than a year",
    }[forecast.state]


def grant_line(current: CurrentGrant) -> str:
    """`Goodwill credit, $3.50 left of $5.00, expires on 5 May 2027`."""
    grant = current.grant
    text = f"{current.name}, {money(current.remaining)} left of {money(grant.amount)}"
    return f"{text}, expires on {day(expiry.last_day(grant.expires_at))}" if grant.expires_at else text


def pace(forecast: Forecast) -> str:
    """What the forecast is based on."""
    if not forecast.pace_micros:
        return "No usage to work it out from"
    text = f"At {money(forecast.pace_micros)} a day"
    if forecast.state != "runs_out":
        return text
    latest = day(forecast.latest) if forecast.latest else "more than a year"
    return f"{text}; between {day(forecast.earliest)} and {latest}"


def org_badges(org: Organization, wallet: Wallet, *, keys: int) -> list[tuple[str, str]]:
    """What to know before anything else, most urgent first."""
    badges = []
    if wallet.balance < 0:
        badges.append(("Overdrawn", "bad"))
    elif wallet.blocked:
        badges.append(("Out of credits", "bad"))
    elif wallet.available < LOW_MICROS:
        badges.append(("Low", "warn"))
    states = (
        (org.suspended_at, "Suspended", "bad"),
        (wallet.frozen_at, "Frozen", "bad"),
        (org.closed_at, "Closed", ""),
    )
    badges += [(word, tone) for since, word, tone in states if since]
    if org.funding == "own":
        badges.append(("Self-funded", "warn"))
    return badges if keys else [*badges, ("No keys", "")]


def acts(entries: Iterable[AuditEntry], names: Mapping[UUID, str]) -> list[Step]:
    """What managers did, newest first; consecutive visits by one person are one step."""
    steps: list[Step] = []
    last: tuple[UUID | None, str] | None = None
    for entry in entries:
        same = (entry.actor_id, entry.action) == last and entry.action == VISIT
        last = (entry.actor_id, entry.action)
        if same:
            continue
        who = names.get(entry.actor_id, "A former manager") if entry.actor_id else "A platform manager"
        state = "done" if entry.action.startswith("credits.") else ""
        steps.append((_act(entry), f"{who}: {entry.reason}" if entry.reason else who, state, entry.created_at))
    return steps[:MOST_ACTS]


def _act(entry: AuditEntry) -> str:
    after = entry.after or {}
    if entry.action in ("credits.granted", "credits.removed") and isinstance(after.get("amount"), int):
        verb = "Granted" if entry.action == "credits.granted" else "Removed"
        category = str(after.get("category") or "no category")
        return f"{verb} {money(abs(after['amount']))} · {grants.REMOVALS.get(category, category.capitalize())}"
    if entry.action == VISIT:
        return "Viewed the organization"
    return entry.action.replace("_", " ").replace(".", " ").capitalize()


def lasted(span: timedelta | None) -> str:
    """How long something took: `0.4 s`, `12 s`, `3 min`, `5 h`."""
    if span is None:
        return "\u2013"
    milliseconds = span // timedelta(milliseconds=1)
    if milliseconds < 100:
        return "under 0.1 s"
    if milliseconds < 10_000:
        return f"{milliseconds // 1000}.{milliseconds % 1000 // 100} s"
    seconds = milliseconds // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
