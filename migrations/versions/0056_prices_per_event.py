"""Prices of single events, with a minimum and a maximum."""

from alembic import op

revision = "0056_prices_per_event"
down_revision = "0055_bonus_terms"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE prices DROP CONSTRAINT ck_prices_kind, ADD COLUMN min_micros BIGINT, ADD COLUMN max_micros BIGINT"
    )
    op.execute(
        "ALTER TABLE prices"
        " ADD CONSTRAINT ck_prices_kind CHECK (kind IN ('flat', 'graduated', 'package', 'per_event')"
        " AND (kind = 'graduated') = (tiers IS NOT NULL)),"
        " ADD CONSTRAINT ck_prices_bounds CHECK (num_nonnulls(min_micros, max_micros) = 0"
        " OR kind = 'per_event' AND min_micros >= 0 AND max_micros >= coalesce(min_micros, 0)),"
        " ADD CONSTRAINT ck_prices_per_event CHECK (kind <> 'per_event' OR free_units = 0 AND period = 'none')"
    )
