"""The embedded servers with real processes: joined, killed, restarted, and nothing left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis

from dashboard import embedded
from dashboard.embedded import Embedded, place

pytestmark = pytest.mark.slow
Starter = Callable[[Path], subprocess.Popen[str]]
ROOT = Path(__file__).resolve().parents[2]
# Stands in for the application's package: importing all of it would be most of the time of these tests.
USER_PROGRAM = """
import sys, types
from pathlib import Path
for name in ("dashboard", "dashboard.core"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [name.replace(".", "/")]
from dashboard import embedded
found = embedded.start(Path(sys.argv[1]), fsync=False)
print(found.postgres_port, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    yield from open_directory()


@pytest.fixture
def directory() -> Iterator[Path]:
    yield from open_directory()


def open_directory() -> Iterator[Path]:
    """A place every user may pass through, whatever the umask; its servers end with the test."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name) / "var"
        stop(Path(name))
        place.remove_outside(Path(name) / "var")


def stop(directory: Path) -> None:
    for pid, words in processes_of(directory).items():
        if any(word.endswith("supervisor.py") for word in words):
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not processes_of(directory))


def processes_of(directory: Path) -> dict[int, list[str]]:
    found = {}
    # Where root can neither let the server's user in nor make a namespace, PostgreSQL lies outside.
    places = [f"{directory}/", *(pointer.read_text() for pointer in directory.rglob("postgres.path"))]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        if any(part in command for part in places):
            found[int(entry.name)] = command.split("\0")
    return found


def pid_of(directory: Path, program: str) -> int:
    commands = processes_of(directory).items()
    [pid] = [pid for pid, words in commands if program in (Path(word).name for word in words[:4])]
    return pid


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited in vain")


@pytest.fixture
def user_of() -> Iterator[Starter]:
    """Starts a process that uses the servers until it is killed."""
    users: list[subprocess.Popen[str]] = []

    def start(directory: Path) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", USER_PROGRAM, str(directory)]
        users.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        return users[-1]

    yield start
    for user in users:
        end(user)


def port_of(user: subprocess.Popen[str]) -> int:
    assert user.stdout
    return int(user.stdout.readline())


def end(user: subprocess.Popen[str]) -> None:
    user.kill()
    user.communicate()


def execute(found: Embedded, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(found.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def test_data_survives_a_restart_and_the_ports_stay(directory: Path) -> None:
    with embedded.start(directory, fsync=False) as first:
        execute(first, "CREATE TABLE kept (n int)")
        execute(first, "INSERT INTO kept VALUES (7)")
        redis.Redis.from_url(first.redis_url).set("kept", "8")
    stop(directory)
    with embedded.start(directory, fsync=False) as second:
        assert execute(second, "SELECT n FROM kept") == [(7,)]
        assert redis.Redis.from_url(second.redis_url).get("kept") == b"8"
        assert (second.postgres_port, second.valkey_port) == (first.postgres_port, first.valkey_port)


def test_servers_demand_the_password(shared: Path) -> None:
    with embedded.start(shared, fsync=False) as found:
        stranger = found.database_url.replace("+psycopg", "").replace(found.password, "guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(stranger)
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=found.valkey_port).get("x")
        assert found.password not in repr(found)
        assert (shared / "embedded" / "state.json").stat().st_mode & 0o077 == 0


def test_a_database_is_cloned_from_a_template(shared: Path) -> None:
    with embedded.start(shared, fsync=False) as found:
        execute(found, "CREATE TABLE copied (n int)")
        clone = found.create_database("clone", template="coffer").replace("+psycopg", "")
        with psycopg.connect(clone) as connection:
            assert connection.execute("SELECT count(*) FROM copied").fetchone() == (0,)
        found.drop_database("clone")
        found.drop_database("clone")


def test_many_starters_at_once_share_one_pair_of_servers(directory: Path, user_of: Starter) -> None:
    users = [user_of(directory) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(port_of, users))) == 1
    assert pid_of(directory, "postgres") > 0
    assert pid_of(directory, "valkey-server") > 0


def test_kill_of_the_last_user_leaves_no_process(directory: Path, user_of: Starter) -> None:
    first, second = user_of(directory), user_of(directory)
    assert port_of(first) == port_of(second)
    end(first)
    time.sleep(2.5)
    assert pid_of(directory, "postgres"), "the second user still holds them"
    end(second)
    wait_until(lambda: not processes_of(directory))


@pytest.mark.parametrize("program", ["postgres", "valkey-server", "supervisor.py"])
def test_a_killed_server_is_back_at_the_next_start(shared: Path, program: str) -> None:
    with embedded.start(shared, fsync=False) as found:
        execute(found, "CREATE TABLE IF NOT EXISTS kept (n int)")
        redis.Redis.from_url(found.redis_url).set("kept", "8")
        os.kill(pid_of(shared, program), signal.SIGKILL)
        with embedded.start(shared, fsync=False) as again:
            assert execute(again, "SELECT * FROM kept") == []
            assert redis.Redis.from_url(again.redis_url).get("kept") == b"8"


def test_stale_and_broken_state_is_survived(directory: Path) -> None:
    embedded.start(directory, fsync=False).close()
    stop(directory)
    home = directory / "embedded"
    (home / "state.json").write_text('{"password": "torn')
    data = place.choose_place(home).data
    # A recycled pid: this test's own.
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n1\n\n127.0.0.1\n0\nready\n")
    with embedded.start(directory, fsync=False) as found:
        assert execute(found, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("namespaces", ["1", "0"])
def test_works_below_a_private_directory(tmp_path: Path, namespaces: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COFFER_EMBEDDED_USERNS", namespaces)
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    with embedded.start(private / "var", fsync=False) as found:
        assert execute(found, "SELECT current_user") == [("coffer",)]
    assert private.stat().st_mode & 0o777 == 0o700
    stop(private)
    place.remove_outside(private / "var")
