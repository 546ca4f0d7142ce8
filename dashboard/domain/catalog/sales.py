"""What a catalog sold recently, by version. Counts at most a fixed number of payments."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from dashboard.core import clock
from dashboard.core.db import autocommit

SPAN = timedelta(days=30)
MOST_PAYMENTS = 10_000
"""Counted per product. Above that, a page says "at least"."""

_SOLD = text("""SELECT p.id AS product_id, s.version_id, s.pieces, s.payments
FROM unnest(CAST(:products AS uuid[])) AS p(id), LATERAL (
  SELECT version_id, sum(quantity) AS pieces, count(*) AS payments FROM (
    SELECT version_id, quantity FROM payments
    WHERE product_id = p.id AND version_id = ANY (ARRAY(
      SELECT id FROM product_versions WHERE org_id = :catalog AND product_id = p.id))
      AND state = 'credited' AND credited_at >= :since AND mode = :mode
    ORDER BY credited_at DESC LIMIT :most) newest
  GROUP BY version_id) s""")


class RecentSales:
    """Pieces sold in the last 30 days, by product and version. `partial` names products that sold even more.

    Only versions of the catalog count: a product's id is unique only within its catalog.
    """

    def __init__(self, catalog_id: UUID, product_ids: list[UUID], *, mode: str) -> None:
        values = {
            "catalog": catalog_id, "products": product_ids, "since": clock.now() - SPAN, "mode": mode,
            "most": MOST_PAYMENTS,
        }  # fmt: skip
        self.by_product: dict[UUID, int] = dict.fromkeys(product_ids, 0)
        self.by_version: dict[UUID, int] = {}
        counted: dict[UUID, int] = dict.fromkeys(product_ids, 0)
        for row in autocommit().execute(_SOLD, values) if product_ids else ():
            self.by_version[row.version_id] = int(row.pieces)
            self.by_product[row.product_id] += int(row.pieces)
            counted[row.product_id] += row.payments
        self.partial = {product_id for product_id, number in counted.items() if number >= MOST_PAYMENTS}
