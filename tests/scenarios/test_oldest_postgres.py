"""What a statement reads is bounded on the oldest PostgreSQL that is promised too: its planner and its index scans know
less than those of the embedded one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.scenarios.processes import free_port
from tests.servers import ROOT

pytestmark = pytest.mark.soak

VERSION = 15
PROGRAMS = Path(f"/usr/lib/postgresql/{VERSION}/bin")
COUNTING = (
    "tests/domain/funds/test_batch_plan.py", "tests/domain/funds/test_counted_apps.py",
    "tests/domain/funds/test_seals.py", "tests/domain/funds/test_settlement.py",
    "tests/domain/funds/test_wide_lists.py", "tests/domain/payments/test_listing.py",
    "tests/domain/platform/test_invariants.py",
)  # fmt: skip
"""The tests that count what a statement reads, and the check of the books."""


@pytest.fixture
def oldest() -> Iterator[str]:
    """The URL of a server of that version, with data of its own."""
    if not (PROGRAMS / "initdb").exists():
        pytest.skip(f"no PostgreSQL {VERSION}: install the package `postgresql-{VERSION}`")
    port = free_port()
    with TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        (home / "run").mkdir(mode=0o777)
        (home / "run").chmod(0o777)
        run(
            [
                "initdb",
                "-D",
                str(home / "run" / "data"),
                "-U",
                "coffer",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ]
        )
        options = f"-p {port} -k {home / 'run'} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        control = ["pg_ctl", "-D", str(home / "run" / "data"), "-w", "-l", str(home / "run" / "log")]
        run([*control, "-o", options, "start"])
        try:
            yield f"postgresql://coffer@127.0.0.1:{port}/postgres"
        finally:
            run([*control, "-m", "immediate", "stop"])
            run(["rm", "-rf", str(home / "run" / "data")], programs=Path("/bin"))


def run(command: list[str], *, programs: Path = PROGRAMS) -> None:
    """PostgreSQL's programs refuse to be run by root."""
    become = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    subprocess.run([*become, str(programs / command[0]), *command[1:]], check=True, capture_output=True, cwd="/")


def test_statements_read_as_little_as_on_the_newest(oldest: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *COUNTING]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"COFFER_TEST_DATABASE_URL": oldest}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4_000:]
