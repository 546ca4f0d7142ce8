"""Settings that an organization's owner can change: its name, its slug and its billing details."""

import re
import secrets
from collections.abc import Callable, Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.config.shape import HOST
from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Invalid, TooManyRequests
from dashboard.domain import audit, org_status, rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import organizations
from dashboard.domain.organizations.organizations import LONGEST_SLUG, SlugTaken
from dashboard.domain.people import users
from dashboard.models import Organization, OrgDirectory, User

LONGEST_ADDRESS = 500
LONGEST_TAX_ID = 50
LONGEST_HOST = 253
MOST_RETURN_HOSTS = 20
SUGGESTED = 9

Value = str | list[str] | None
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


def create_team(wanted: Mapping[str, str | None], *, org_id: UUID, owner: User | None, by: Actor) -> Organization:
    """Create a team, for its owner if it has one yet. Without a `slug`, one is derived from the name. Needs the
    transaction of `org_id`.

    Raises Invalid with the field, SlugTaken, TooManyRequests above 1,000 per day and user.
    """
    if owner and (wait := rate_limits.exceeded(rate_limits.NEW_ORG, str(owner.id))):
        raise TooManyRequests("You made many organizations today. Try again later.", retry_after=wait)
    values = {name: check(name, value) for name, value in wanted.items() if value or name == "name"}
    org = organizations.make_team(
        str(values["name"]), org_id=org_id, owner=owner, by=by, slug=str(values["slug"]) if "slug" in values else None
    )
    return change(org, {name: wanted[name] for name in values.keys() - {"name", "slug"}}, by=by)


def change(org: Organization, wanted: Mapping[str, str | None], *, by: Actor) -> Organization:
    """Set the values of FIELDS that differ; None or an empty text clears one. Locks the organization.

    After a change of `slug`, the old URL stops working, and nobody else gets it for some time. Raises Invalid with the
    field, SlugTaken.
    """
    values = {name: check(name, value) for name, value in wanted.items()}
    row = org_status.locked(org.id)
    directory = db.session.get_one(OrgDirectory, org.id, populate_existing=True)
    before: dict[str, Value] = {name: getattr(row, name) for name in values}
    news = {name: value for name, value in values.items() if value != before[name]}
    if not news:
        return row
    for name, value in news.items():
        setattr(row, name, value)
    directory.slug = row.slug
    _flush(news)
    if "slug" in news:
        organizations.give_up_slug(str(before["slug"]), org_id=row.id)
        organizations.require_unreserved(row.slug, org_id=row.id)
    audit.record(row, "organization.changed", by=by, before={name: before[name] for name in news}, after=news)
    return row


def check(name: str, value: str | None) -> Value:
    """The value as it is stored. Raises Invalid with the field."""
    try:
        return FIELDS[name]((value or "").strip())
    except Invalid as refusal:
        raise Invalid(refusal.detail, field=name) from None


def problems(wanted: Mapping[str, str | None]) -> dict[str, str]:
    """The problems with these values: a sentence per field."""
    messages = {}
    for name, value in wanted.items():
        try:
            check(name, value)
        except Invalid as refusal:
            messages[name] = refusal.detail
    return messages


def suggestion(slug: str) -> str:
    """A free slug similar to the one that is taken."""
    stem = slug[: LONGEST_SLUG - 5].rstrip("-")
    wanted = [f"{stem}-{number}" for number in range(2, SUGGESTED + 1)]
    taken = set(db.session.scalars(select(OrgDirectory.slug).where(OrgDirectory.slug.in_(wanted))))
    taken |= organizations.reserved_slugs(wanted)
    return next((each for each in wanted if each not in taken), f"{stem}-{secrets.token_hex(2)}")


def _flush(news: Mapping[str, Value]) -> None:
    try:
        db.session.flush()
    except IntegrityError:  # only the slug must be unique
        raise SlugTaken(f"The address {news.get('slug')} is taken.") from None


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text) or not 2 <= len(text) <= LONGEST_SLUG:
        raise Invalid(f"Use 2 to {LONGEST_SLUG} lowercase letters and digits, joined by hyphens, such as acme-labs.")
    return text


def _timezone(text: str) -> str:
    zone = clock.time_zone(text)
    if zone is None:
        raise Invalid("Enter a time zone such as Europe/Stockholm.")
    return zone


def _billing_address(text: str) -> str | None:
    text = "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    if len(text) > LONGEST_ADDRESS or not text.replace("\n", "").isprintable():
        raise Invalid(f"Enter up to {LONGEST_ADDRESS} characters.")
    return text or None


def _tax_id(text: str) -> str | None:
    if len(text) > LONGEST_TAX_ID or not text.isprintable():
        raise Invalid(f"Enter up to {LONGEST_TAX_ID} characters, such as SE556677889901.")
    return text or None


def _return_hosts(text: str) -> list[str]:
    hosts = list(dict.fromkeys(text.lower().split()))
    if len(hosts) > MOST_RETURN_HOSTS or any(len(host) > LONGEST_HOST or not HOST.fullmatch(host) for host in hosts):
        raise Invalid(f"Enter up to {MOST_RETURN_HOSTS} host names such as app.example.com, without https://.")
    return hosts


FIELDS: dict[str, Callable[[str], Value]] = {
    "name": users.checked_name,
    "slug": _slug,
    "timezone": _timezone,
    "billing_email": lambda text: users.checked_email(text) if text else None,
    "billing_address": _billing_address,
    "tax_id": _tax_id,
    "return_hosts": _return_hosts,
}
"""The settings, and how the text of each is validated."""
