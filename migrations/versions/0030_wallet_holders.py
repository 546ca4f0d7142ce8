"""A wallet has a holder: the organization, or one of its members, teams, seats or end users."""

from alembic import op

revision = "0030_wallet_holders"
down_revision = "0029_counted_apps"

STATEMENTS = """
ALTER TABLE wallets
    ALTER COLUMN unit DROP DEFAULT,
    ADD COLUMN membership_id UUID,
    ADD COLUMN team_id UUID,
    ADD COLUMN seat_id UUID,
    ADD COLUMN end_user_id UUID,
    ADD CONSTRAINT fk_wallets_org_id_membership_id_memberships FOREIGN KEY (org_id, membership_id)
        REFERENCES memberships (org_id, id) ON DELETE RESTRICT,
    ADD CONSTRAINT fk_wallets_org_id_end_user_id_end_users FOREIGN KEY (org_id, end_user_id)
        REFERENCES end_users (org_id, id) ON DELETE RESTRICT,
    ADD CONSTRAINT ck_wallets_holder CHECK (num_nonnulls(membership_id, team_id, seat_id, end_user_id) <= 1);
CREATE UNIQUE INDEX uq_wallets_holder
    ON wallets (org_id, mode, unit, membership_id, team_id, seat_id, end_user_id) NULLS NOT DISTINCT;
DROP INDEX uq_wallets_org_id_mode_unit;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)
