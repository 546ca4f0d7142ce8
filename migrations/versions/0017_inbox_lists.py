"""The list of webhooks by state and by organization, and its counts, however many events came."""

from alembic import op

revision = "0017_inbox_lists"
down_revision = "0016_paid_currency"

STATEMENTS = """
CREATE INDEX ix_inbox_events_org_id_state_id ON inbox_events (org_id, state, id);
CREATE INDEX ix_inbox_events_of_org ON inbox_events (org_id, (effects ->> 'org_id'), id)
    WHERE (effects ->> 'org_id') IS NOT NULL;
CREATE INDEX ix_inbox_events_repeated ON inbox_events (org_id, id) INCLUDE (deliveries) WHERE deliveries > 1;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
