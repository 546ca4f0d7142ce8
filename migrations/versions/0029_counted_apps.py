"""A day counts 100 apps by name and the rest in one row. Past days that have more keep their 100 largest."""

from alembic import op

revision = "0029_counted_apps"
down_revision = "0028_key_issuers"

# Volatile, so that it sees what was committed while the statement that calls it waited for the wallet.
FUNCTION = """
CREATE FUNCTION counted_app(of_org uuid, of_wallet uuid, on_day date, of_type text, named text, most int, rest text)
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN coalesce((
    SELECT d.app FROM wallet_days AS d WHERE d.org_id = of_org AND d.wallet_id = of_wallet AND d.day = on_day
      AND d.type = of_type AND d.app IN (named, rest) ORDER BY d.app = named DESC LIMIT 1
  ), CASE WHEN most > (
    SELECT count(*) FROM (
      SELECT d.app FROM wallet_days AS d WHERE d.org_id = of_org AND d.wallet_id = of_wallet AND d.day = on_day
        AND d.app > '' AND d.app <> rest
      ORDER BY d.org_id, d.wallet_id, d.day, d.type, d.app LIMIT most
    ) AS apps
  ) THEN named ELSE rest END);
END $$
"""

# Today and yesterday stay as they are: charges may still be posted there by the version before.
CROWDED = """
CREATE TEMPORARY TABLE moved_apps ON COMMIT DROP AS
SELECT d.* FROM (
  SELECT w.*, row_number() OVER (
    PARTITION BY w.org_id, w.wallet_id, w.day ORDER BY abs(w.amount) DESC, w.app) AS rank
  FROM wallet_days AS w JOIN (
    SELECT org_id, wallet_id, day FROM wallet_days
    WHERE app > '' AND day < CAST(now() AT TIME ZONE 'UTC' AS date) - 1
    GROUP BY org_id, wallet_id, day HAVING count(*) > 100
  ) AS crowded USING (org_id, wallet_id, day) WHERE w.app > ''
) AS d WHERE d.rank > 100
"""

DELETED = """
DELETE FROM wallet_days AS d USING moved_apps AS m WHERE d.org_id = m.org_id AND d.wallet_id = m.wallet_id
  AND d.day = m.day AND d.type = m.type AND d.app = m.app
"""

SUMMED = """
INSERT INTO wallet_days (org_id, wallet_id, day, type, app, amount, count)
SELECT org_id, wallet_id, day, type, chr(1) || 'other', sum(amount), sum(count) FROM moved_apps GROUP BY 1, 2, 3, 4
"""


def upgrade() -> None:
    for statement in (FUNCTION, CROWDED, DELETED, SUMMED):
        op.execute(statement)
