"""Spend limits of organizations, members and apps beside those of keys; hard or soft; also per week."""

from alembic import op

revision = "0048_spend_limits"
down_revision = "0047_call_limits"

STATEMENTS = """
ALTER TABLE organizations ADD COLUMN has_limits BOOLEAN DEFAULT false NOT NULL;

ALTER TABLE limits
    ADD COLUMN mode TEXT,
    ADD COLUMN hard BOOLEAN DEFAULT true NOT NULL,
    DROP CONSTRAINT ck_limits_scope,
    DROP CONSTRAINT ck_limits_window,
    ADD CONSTRAINT ck_limits_scope CHECK (scope IN ('key', 'member', 'app', 'org')),
    ADD CONSTRAINT ck_limits_window CHECK ("window" IN ('day', 'week', 'month'));
UPDATE limits AS l SET mode = coalesce(
    (SELECT k.mode FROM api_keys AS k WHERE k.org_id = l.org_id AND k.id::text = l.scope_id), 'live');
ALTER TABLE limits
    ALTER COLUMN mode SET NOT NULL,
    ADD CONSTRAINT ck_limits_mode CHECK (mode IN ('test', 'live'));

DROP INDEX uq_limits_org_id_scope;
CREATE UNIQUE INDEX uq_limits_org_id_scope ON limits (org_id, mode, scope, scope_id, "window", hard)
    WHERE ended_at IS NULL;

CREATE TABLE limit_alerts (
    org_id UUID NOT NULL,
    id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    limit_id UUID NOT NULL,
    window_start DATE NOT NULL,
    amount BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    CONSTRAINT pk_limit_alerts PRIMARY KEY (org_id, id),
    CONSTRAINT fk_limit_alerts_org_id_limit_id_limits FOREIGN KEY(org_id, limit_id)
        REFERENCES limits (org_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_limit_alerts_org_id_limit_id_window_start ON limit_alerts (org_id, limit_id, window_start);

GRANT SELECT, INSERT, UPDATE ON limit_alerts TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
