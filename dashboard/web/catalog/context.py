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
from dashboard.domain.org_status import OrgAction
from dashboard.models import PLATFORM_ORG_ID, ProductVersion, ProviderPrice
from dashboard.web import guards

Badge = tuple[str, str]
KINDS = {"paid": "Paid credit", "promotional": "Promotional credit"}


@dataclass(frozen=True, slots=True)
class CatalogContext:
    catalog_id: UUID
    mode: str
    by: Actor
    layout: str
    whose: str
    platform: bool
    may_change: bool


def load(*, change: bool = False) -> CatalogContext:
    """The catalog of the URL, for reading or changing. Raises NotFound if the organization has none."""
    if g.catalog_slug is None:
        caller = guards.require_platform(Verb.MANAGE_CATALOG if change else Verb.PLATFORM_READ)
        return CatalogContext(
            PLATFORM_ORG_ID, guards.platform_mode(), caller.actor, "layouts/admin.html", "The platform's catalog",
            platform=True, may_change=permissions.allowed(Verb.MANAGE_CATALOG, caller),
        )  # fmt: skip
    verb, act = (Verb.MANAGE_OWN_CATALOG, OrgAction.BUY) if change else (Verb.READ_OWN_CATALOG, OrgAction.READ)
    visit = guards.enter(g.catalog_slug, verb, act=act)
    if visit.org.funding != "own":
        raise NotFound
    return CatalogContext(
        visit.org.id, visit.mode, visit.by, "layouts/app.html", f"The catalog of {visit.org.name}", platform=False,
        may_change=visit.may(Verb.MANAGE_OWN_CATALOG),
    )  # fmt: skip


def price_statuses(catalog: CatalogContext, versions: list[ProductVersion]) -> dict[UUID, ProviderPrice]:
    """The price status by version; empty if no provider has this catalog's prices."""
    provider = guards.platform_provider()
    if not catalog.platform or not provider.keeps_prices:
        return {}
    return sync.statuses(catalog.catalog_id, [version.id for version in versions], provider.mode)


def synced(catalog: CatalogContext) -> bool:
    return catalog.platform and guards.platform_provider().keeps_prices


def account_problem(catalog: CatalogContext) -> str | None:
    """Why nothing in the platform's catalog can be sold now."""
    return configured.account_problem(guards.platform_provider()) if catalog.platform else None


def state(offer: Offer) -> Badge:
    if not sells(offer):
        return ("Archived", "") if not offer.product.active else ("Setting gone", "")
    return ("Blocked", "bad") if offer.blocked else ("On sale", "ok")


def match(price_status: ProviderPrice | None) -> Badge:
    """How the price at the provider compares with ours."""
    if price_status is None:
        return "Waiting", "info"
    if price_status.state == "wanted":
        return ("Retrying", "warn") if price_status.problem else ("Waiting", "info")
    return {"ready": ("Matches", "ok"), "drift": ("Differs", "bad"), "archived": ("Archived", "")}[price_status.state]
