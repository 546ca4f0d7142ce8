"""The demo's credit packs: one on sale, one in a second version, one archived."""

from dashboard.core.db import transaction
from dashboard.domain.audit import Actor
from dashboard.domain.catalog import products
from dashboard.models import PLATFORM_ORG_ID

PACKS = (
    ("Starter", "For a first project", 2_500, 25_000_000, 0),
    ("Team", "The usual choice", 10_000, 100_000_000, 5_000_000),
    ("Scale", "For heavy use", 50_000, 500_000_000, 25_000_000),
    ("Early bird", "Until the end of the beta", 900, 10_000_000, 0),
)
LATER: dict[str, dict[str, int | bool]] = {
    "Scale": {"bonus_micros": 50_000_000, "expires_days": 365},
    "Early bird": {"active": False},
}


def make(by: Actor, *, mode: str) -> None:
    """Create the packs that are missing, in their first version."""
    known = {offer.product.name for offer in products.everything(PLATFORM_ORG_ID, mode=mode)}
    for name, description, price_minor, grant_micros, bonus_micros in PACKS:
        if name not in known:
            with transaction(org=PLATFORM_ORG_ID):
                products.create(
                    PLATFORM_ORG_ID, name=name, description=description, price_minor=price_minor,
                    grant_micros=grant_micros, bonus_micros=bonus_micros, by=by,
                    max_quantity=10 if name == "Early bird" else 100,
                )  # fmt: skip


def move_on(by: Actor, *, mode: str) -> None:
    """Give one pack a second version and take another one off sale."""
    for offer in products.on_sale(PLATFORM_ORG_ID, mode=mode):
        if offer.product.name in LATER:
            with transaction(org=PLATFORM_ORG_ID):
                products.change(PLATFORM_ORG_ID, offer.product.id, by=by, **LATER[offer.product.name])  # type: ignore[arg-type]
