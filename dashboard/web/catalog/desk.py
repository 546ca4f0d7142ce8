"""The page context of the catalog: whose catalog it is, who acts, and the price status of its versions."""

from dataclasses import dataclass
from uuid import UUID

from flask import g

from dashboard.core.errors import NotFound
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.catalog import configured, sync
from dashboard.domain.catalog.products import Offer, sells
from dashboard.domain.org_status import Act
from dashboard.models import PLATFORM_ORG_ID, ProductVersion, ProviderPrice
from dashboard.web import guards

Badge = tuple[str, str]
KINDS = {"paid": "Paid credit", "promotional": "Promotional credit"}


@dataclass(frozen=True, slots=True)
class Desk:
    catalog_id: UUID
    mode: str
    by: Actor
    layout: str
    whose: str
    platform: bool
    may_change: bool


def sit(*, change: bool = False) -> Desk:
    """The catalog of the URL, for reading or changing. Raises NotFound if the organization has none."""
    if g.catalog_slug is None:
        caller = guards.require_platform(Verb.MANAGE_CATALOG if change else Verb.PLATFORM_READ)
        return Desk(
            PLATFORM_ORG_ID, guards.platform_mode(), caller.actor, "layouts/admin.html", "The platform's catalog",
            platform=True, may_change=permissions.allowed(Verb.MANAGE_CATALOG, caller),
        )  # fmt: skip
    verb, act = (Verb.MANAGE_OWN_CATALOG, Act.BUY) if change else (Verb.READ_OWN_CATALOG, Act.READ)
    visit = guards.enter(g.catalog_slug, verb, act=act)
    if visit.org.funding != "own":
        raise NotFound
    return Desk(
        visit.org.id, visit.mode, visit.by, "layouts/app.html", f"The catalog of {visit.org.name}", platform=False,
        may_change=visit.may(Verb.MANAGE_OWN_CATALOG),
    )  # fmt: skip


def standings(desk: Desk, versions: list[ProductVersion]) -> dict[UUID, ProviderPrice]:
    """The price status by version; empty if no provider has this catalog's prices."""
    provider = guards.platform_provider()
    if not desk.platform or not provider.keeps_prices:
        return {}
    return sync.standings(desk.catalog_id, [version.id for version in versions], provider.mode)


def synced(desk: Desk) -> bool:
    return desk.platform and guards.platform_provider().keeps_prices


def account_problem(desk: Desk) -> str | None:
    """Why nothing in the platform's catalog can be sold now."""
    return configured.account_problem(guards.platform_provider()) if desk.platform else None


def state(offer: Offer) -> Badge:
    if not sells(offer):
        return ("Archived", "") if not offer.product.active else ("Setting gone", "")
    return ("Blocked", "bad") if offer.blocked else ("On sale", "ok")


def match(standing: ProviderPrice | None) -> Badge:
    """How the price at the provider compares with ours."""
    if standing is None:
        return "Waiting", "info"
    if standing.state == "wanted":
        return ("Retrying", "warn") if standing.problem else ("Waiting", "info")
    return {"ready": ("Matches", "ok"), "drift": ("Differs", "bad"), "archived": ("Archived", "")}[standing.state]
