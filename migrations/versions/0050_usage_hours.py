"""Usage is counted by hour too, and its events are listed by when they happened, of everybody or of one member."""

from alembic import op

revision = "0050_usage_hours"
down_revision = "0049_directed_removals"

STATEMENTS = """
ALTER TABLE usage_counters DROP CONSTRAINT ck_usage_counters_dimension;
ALTER TABLE usage_counters ADD CONSTRAINT ck_usage_counters_dimension
    CHECK (dimension IN ('all', 'hour', 'app', 'member', 'key'));
ALTER TABLE usage_counters DROP CONSTRAINT pk_usage_counters;
ALTER TABLE usage_counters ADD CONSTRAINT pk_usage_counters
    PRIMARY KEY (org_id, wallet_id, dimension, day, metric_key, value);

INSERT INTO usage_counters (org_id, wallet_id, day, metric_key, dimension, value, units, cost, events)
SELECT org_id, wallet_id, CAST(occurred_at AT TIME ZONE 'UTC' AS date), metric_key, 'hour',
    to_char(occurred_at AT TIME ZONE 'UTC', 'HH24'), sum(units), sum(cost), count(*)
FROM usage_events GROUP BY 1, 2, 3, 4, 6;

DROP INDEX ix_usage_events_metric;
CREATE INDEX ix_usage_events_occurred ON usage_events (org_id, wallet_id, occurred_at, id);
CREATE INDEX ix_usage_events_member ON usage_events (org_id, member_id, wallet_id, occurred_at, id)
    WHERE member_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
