"""Products on sale."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from dashboard.api.shapes.money import usd
from dashboard.domain.catalog.products import Offer


class Product(BaseModel):
    """A pack of credits. `amount_micros` is what one piece adds, `bonus_micros` is added on top.

    `available` is false while its price at the provider differs; `active` says whether it is on sale.
    """

    id: UUID
    name: str
    description: str
    kind: str
    price_cents: int
    currency: str
    amount_micros: int
    amount_usd: str
    bonus_micros: int
    grant_kind: Literal["paid", "promotional"]
    min_quantity: int
    max_quantity: int
    expires_days: int | None
    bonus_expires_days: int = Field(
        description="How many days after the purchase the bonus expires; 0: with the credits."
    )
    bonus_priority: int = Field(description="0 to 100: of promotional credit, the lower number is spent first.")
    active: bool
    available: bool
    version: int
    created_at: datetime


class ProductList(BaseModel):
    data: list[Product]
    next_cursor: str | None


class PlatformProductList(ProductList):
    """`problem`: why the pack that the settings name is not on sale; omitted if nothing is wrong."""

    problem: str | None = None


def product(offer: Offer) -> Product:
    row, version = offer.product, offer.version
    return Product(
        id=row.id, name=row.name, description=row.description, kind=row.kind, price_cents=version.price_minor,
        currency=version.currency, amount_micros=version.grant_micros, amount_usd=usd(version.grant_micros),
        bonus_micros=version.bonus_micros, grant_kind=version.grant_kind, min_quantity=version.min_quantity,
        max_quantity=version.max_quantity, expires_days=version.expires_days,
        bonus_expires_days=version.bonus_expires_days, bonus_priority=version.bonus_priority, active=row.active,
        available=row.active and not offer.blocked, version=version.number, created_at=row.created_at,
    )  # fmt: skip
