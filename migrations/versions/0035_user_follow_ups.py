"""What has to follow in organizations after an act on a person: one row for each of them."""

from alembic import op

revision = "0035_user_follow_ups"
down_revision = "0034_one_work_queue"

STATEMENTS = """
CREATE TABLE user_follow_ups (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    org_id UUID NOT NULL,
    act TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_user_follow_ups PRIMARY KEY (id),
    CONSTRAINT fk_user_follow_ups_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT ck_user_follow_ups_act CHECK (act IN ('disabled', 'enabled', 'erased', 'manager_removed'))
);
CREATE INDEX ix_user_follow_ups_user_id ON user_follow_ups (user_id);
GRANT SELECT, INSERT, DELETE ON user_follow_ups TO coffer_app;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
