"""The page context of prices: whose they are, who acts, and whether they can be changed here."""

from dataclasses import dataclass
from uuid import UUID

from flask import g

from dashboard.core.errors import Forbidden
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import metrics
from dashboard.models import PLATFORM_ORG_ID, Metric, Organization
from dashboard.web import guards

READ_ONLY = "The platform sets these prices."


@dataclass(frozen=True, slots=True)
class PriceContext:
    """`org` pays the prices; for the platform's pages it is the platform, for everyone."""

    org: Organization
    mode: str
    by: Actor
    layout: str
    platform: bool
    may_change: bool

    @property
    def owner_id(self) -> UUID:
        return metrics.owner_of(self.org)

    def metric(self, key: str) -> Metric:
        return metrics.require(self.owner_id, key)


def load(*, change: bool = False) -> PriceContext:
    """The prices of the URL, for reading or changing. Raises Forbidden where the platform sets them."""
    if g.prices_slug is None:
        caller = guards.require_platform(Verb.MANAGE_PRICES if change else Verb.PLATFORM_READ)
        platform = organizations.by_id(PLATFORM_ORG_ID)
        assert platform is not None  # the first migration makes it
        may = permissions.allowed(Verb.MANAGE_PRICES, caller)
        return PriceContext(platform, guards.platform_mode(), caller.actor, "layouts/admin.html", True, may)
    verb, act = (Verb.MANAGE_OWN_PRICES, OrgAction.BUY) if change else (Verb.READ_PRICES, OrgAction.READ)
    visit = guards.enter(g.prices_slug, verb, act=act)
    own = visit.org.funding == "own"
    if change and not own:
        raise Forbidden(READ_ONLY)
    may = own and visit.may(Verb.MANAGE_OWN_PRICES)
    return PriceContext(visit.org, visit.mode, visit.by, "layouts/app.html", platform=False, may_change=may)
