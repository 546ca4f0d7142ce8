"""The baseline of the database itself: pgbench with the product's own statements, as the product's own role."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import TextClause, make_url

from bench.books import ORG_ID
from bench.servers import Database
from dashboard.core.db import SESSION_SETTINGS

NUMBER = ORG_ID.format(n="CAST(:n AS bigint)")
KEY = "gen_random_uuid()"
PATIENT = "-c lock_timeout=60s -c statement_timeout=60s"
"""16 clients that take turns on one wallet wait long if the machine is busy with something else, too."""


def filled(statement: TextClause, values: dict[str, str]) -> str:
    """The statement with an SQL expression in place of each parameter, on one line for pgbench."""
    sql = re.sub(r"(?<!:):([a-z_]+)", lambda found: values[found[1]], statement.text)
    return " ".join(sql.split()) + ";"


def run(
    database: Database, script: str, seconds: float, *, clients: int = 1, prepared: bool = True
) -> tuple[int, float]:  # fmt: skip
    """How many transactions `script` completed, and how many a second. Raises RuntimeError where one failed.

    `prepared`: PostgreSQL may keep the statements' plans.
    """
    url = make_url(database.url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [
                str(Path(database.pg_bin) / "pgbench"), "-n", "-M", "prepared" if prepared else "extended",
                "-c", str(clients), "-j", "1",
                "-T", str(max(1, round(seconds))), "-f", file.name, "-h", str(url.host), "-p", str(url.port),
                "-U", str(url.username), str(url.database),
            ],
            env=os.environ | {"PGPASSWORD": str(url.password), "PGOPTIONS": f"{SESSION_SETTINGS} {PATIENT}"},
            capture_output=True,
            text=True,
        )  # fmt: skip
    count = re.search(r"transactions actually processed: (\d+)", done.stdout)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    if count and count[1] == "0" and not done.stderr:
        return 0, 0.0  # within this time, on a busy machine
    if done.returncode or not count or not rate or "failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}\n{done.stderr}")
    return int(count[1]), float(rate[1])
