"""Processor time of a process and everything it started."""

import os
from pathlib import Path

from bench.servers import Database

TICKS = os.sysconf("SC_CLK_TCK")


def used(root: int) -> float:
    """Seconds that the process, its children and their children have used, those that ended included."""
    total, parents = 0, {pid: _stat(pid) for pid in _all()}
    wanted = [root]
    while wanted:
        pid = wanted.pop()
        if found := parents.get(pid):
            total += sum(found[1])
        wanted += [child for child, stat in parents.items() if stat and stat[0] == pid]
    return total / TICKS


def server_of(database: Database) -> int:
    """The process id of the PostgreSQL server, which starts a process for each connection."""
    with database.owner() as owner:
        backend = owner.execute("SELECT pg_backend_pid()").fetchone()
        assert backend is not None
        stat = _stat(backend[0])
    if stat is None:
        raise RuntimeError("PostgreSQL does not run on this machine")
    return stat[0]


def resident(root: int) -> int:
    """MiB of memory that the process and its children hold."""
    pids = [root, *(pid for pid in _all() if (stat := _stat(pid)) and stat[0] == root)]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> tuple[int, list[int]] | None:
    """The parent, and user and system ticks of the process and of its children that ended; None if it ended, too."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), [int(field) for field in fields[11:15]]
