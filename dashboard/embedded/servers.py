"""The embedded servers' data, passwords, ports and command lines."""

import json
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from dashboard.embedded.place import EmbeddedError, Place, choose_place, make_directory, valkey_server

USER = "coffer"
APP_ROLE, APP_USER = "coffer_app", "coffer_web"
PG_MAJOR = "18"
PROGRAMS = ("postgres", "valkey-server", "redis-server")
HBA = "host all all 127.0.0.1/32 scram-sha-256\n"

Spec = dict[str, dict[str, object]]


def prepare(home: Path, *, fsync: bool) -> Spec:
    """Prepare the data directories, choose ports, record both in state.json, and return the command lines.

    The caller holds the start lock and has checked that no supervisor runs.
    """
    place = choose_place(home)
    conf = home / "valkey.conf"
    _end_leftovers(str(place.data), str(conf))
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    _make_cluster(place, fsync)
    state = _read_state(home)
    if not state.get("password"):
        state["password"] = secrets.token_urlsafe(24)
        _single_user(place, f"ALTER ROLE {USER} PASSWORD '{state['password']}'")
    port = _free_port(state.get("postgres"))
    state |= {"postgres": port, "valkey": _free_port(state.get("valkey"), avoid=port)}
    _write_private(home / "state.json", json.dumps(state))
    make_directory(home / "valkey")
    _write_private(conf, _valkey_conf(home, state, fsync))
    return {
        "postgres": {"argv": _postgres_command(place, port, fsync), "uid": place.uid, "stop": int(signal.SIGINT)},
        "valkey": {"argv": [str(valkey_server()), str(conf)], "uid": None, "stop": int(signal.SIGTERM)},
    }


def _make_cluster(place: Place, fsync: bool) -> None:
    version = place.data / "PG_VERSION"
    if not version.exists():
        # Created under another name and renamed, so that a killed start leaves no half-made cluster behind.
        staging = place.data.with_name("postgres.new")
        for leftover in (staging, place.data):
            shutil.rmtree(leftover, ignore_errors=True)
        staging.mkdir(mode=0o700)
        new = Place(place.binaries, staging, place.uid, place.prefix)
        _own(new)
        options = [f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--no-instructions", "--locale=C.UTF-8"]
        sync = [] if fsync else ["--no-sync"]
        new.run("initdb", f"--pgdata={staging}", *options, *sync, "--locale-provider=builtin")
        _single_user(new, f"CREATE DATABASE {USER}")
        staging.rename(place.data)
        (place.data.parent / "state.json").unlink(missing_ok=True)
    elif version.read_text().strip() != PG_MAJOR:
        raise EmbeddedError(f"{place.data} was made by PostgreSQL {version.read_text().strip()}; dump and remove it")
    (place.data / "pg_hba.conf").write_text(HBA)
    _own(place)


def _own(place: Place) -> None:
    """Give the data to the user that runs the server, which may have been another one before."""
    owner = os.geteuid() if place.uid is None else place.uid
    for path in (place.data, *place.data.rglob("*")):
        if path.lstat().st_uid != owner:
            os.chown(path, owner, owner, follow_symlinks=False)


def _single_user(place: Place, sql: str) -> None:
    output = place.run("postgres", "--single", "-D", str(place.data), "postgres", text=sql + "\n")
    if "ERROR:" in output or "FATAL:" in output:
        raise EmbeddedError(f"PostgreSQL refused to be set up:\n{output}")


def _postgres_command(place: Place, port: int, fsync: bool) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "jit": "off",
    }
    if not fsync:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [*place.prefix, str(place.binaries / "postgres"), "-D", str(place.data), *options]


def _valkey_conf(home: Path, state: dict[str, object], fsync: bool) -> str:
    lines = [
        "bind 127.0.0.1",
        f"port {state['valkey']}",
        f"requirepass {state['password']}",
        f'dir "{home / "valkey"}"',
        "appendonly yes",
        f"appendfsync {'everysec' if fsync else 'no'}",
        'save ""',
        "databases 64",
        # The command line must always name this file, because leftover servers are found by it.
        "set-proc-title no",
    ]
    return "\n".join(lines) + "\n"


def _end_leftovers(*names: str) -> None:
    """End servers whose supervisor was killed. They got a signal when it died, so this mostly waits."""
    deadline = time.monotonic() + 10
    while pids := list(_processes(names)):
        if time.monotonic() > deadline:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            deadline += 10
        time.sleep(0.05)


def _processes(names: tuple[str, ...]) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if Path(words[0]).name in PROGRAMS and any(word in names for word in words):
            yield int(entry.name)


def _free_port(wanted: object, avoid: int = 0) -> int:
    """The previous port if it is free, so that open shells keep working."""
    for port in (wanted if isinstance(wanted, int) and wanted != avoid else 0, 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if (result := int(probe.getsockname()[1])) != avoid:
                return result
    raise EmbeddedError("no free port on 127.0.0.1")


def _read_state(home: Path) -> dict[str, object]:
    try:
        state = json.loads((home / "state.json").read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _write_private(path: Path, text: str) -> None:
    staging = path.with_name(path.name + ".new")
    staging.unlink(missing_ok=True)
    with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    staging.replace(path)
