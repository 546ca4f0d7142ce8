"""What every test may use: servers of its own, an application on them, a client; all cleaned after each test."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from xdist.scheduler import LoadScopeScheduling

from dashboard import create_app
from dashboard.core import clock, db, queue
from tests import servers as plumbing
from tests.servers import Servers

# The headless shell is the same engine without the parts that only a screen needs: a fifth less work.
CHROMIUMS = (os.environ.get("COFFER_CHROMIUM", ""), "chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, CHROMIUMS)), None)
NO_CHROMIUM = "no Chromium: install the package `chromium`, or name the program in COFFER_CHROMIUM"
BROWSER_REQUIRED = os.environ.get("COFFER_REQUIRE_BROWSER", "0") not in ("", "0")
hypothesis.settings.register_profile(
    "coffer", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)  # a busy machine is no fault of the code
hypothesis.settings.load_profile("coffer")
GROUPS = ("tests/browser/", "tests/scenarios/")
FIRST = "tests/browser/test_pages.py"


@pytest.fixture(scope="session")
def _servers(worker_id: str) -> Iterator[Servers]:
    with plumbing.running(worker_id) as found:
        yield found


@pytest.fixture
def servers(_servers: Servers) -> Iterator[Servers]:
    """This worker's PostgreSQL and Valkey; both are cleaned after the test."""
    yield _servers
    _servers.clean()


@pytest.fixture(scope="session")
def _app(_servers: Servers) -> Iterator[Flask]:
    yield from _made(_servers, {})


@pytest.fixture
def app(_app: Flask, servers: Servers) -> Flask:
    """The application with test settings. No context is pushed: a request then gets its own, as in life."""
    queue.init_app(_app, servers.redis_url, patience=60)  # a breaker opened by one test does not last into the next
    return _app


@pytest.fixture
def configured(app: Flask, servers: Servers) -> Iterator[Callable[..., Flask]]:
    """The application with other settings of those that it reads when it needs them: smtp, outgoing, api, credits."""
    usual = app.config["COFFER"]

    def change(**changes: Any) -> Flask:
        app.config["COFFER"] = servers.settings(**changes)
        return app

    yield change
    app.config["COFFER"] = usual


@pytest.fixture
def make_app(servers: Servers) -> Iterator[Callable[..., Flask]]:
    """Makes applications with other settings: `make_app(credits={...})`."""
    made: list[Iterator[Flask]] = []

    def make(**changes: Any) -> Flask:
        made.append(_made(servers, changes))
        return next(made[-1])

    yield make
    for one in made:
        next(one, None)


@pytest.fixture
def app_context(app: Flask) -> Iterator[Flask]:
    """The application with its context pushed: for tests below web and api. Not together with `client`."""
    with app.app_context():
        yield app


@pytest.fixture
def amid_a_step() -> Iterator[None]:
    """The clock stands still amid the 30 seconds of an authenticator app's code: no test crosses into the next."""
    now = clock.now()
    with clock.at(now + timedelta(seconds=15 - now.second % 30)):
        yield


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def _made(servers: Servers, changes: dict[str, Any]) -> Iterator[Flask]:
    app = create_app(servers.settings(**changes))
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(plumbing.templates()))
    yield app
    with app.app_context():
        db.db.engine.dispose()


@pytest.fixture(scope="session")
def delete_output_dir() -> None:
    """Keeps `test-results/`: the plugin would empty it at the start of every run, also of those without a browser."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": CHROMIUM}


class Groups(LoadScopeScheduling):
    """Whole folders to one worker where starting what their tests use takes longest, whole files otherwise."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((group for group in GROUPS if path.startswith(group)), path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def pytest_configure() -> None:
    gc.disable()  # thousands of tests are made, and none of them is garbage


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
    gc.set_threshold(100_000)  # of what a request makes, nearly all goes without it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups begin first, so that no worker waits for another at the end; and in them what computes
    beside what waits: all pages of the browser while the scenarios kill and restart.
    """
    root = Path(__file__).parents[1]

    def place(item: pytest.Item) -> tuple[bool, bool]:
        path = str(item.path.relative_to(root))
        return not path.startswith(GROUPS), path != FIRST

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and not CHROMIUM:
        pytest.skip(NO_CHROMIUM)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if BROWSER_REQUIRED and report.skipped and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"a browser test was skipped, but COFFER_REQUIRE_BROWSER is set: {report.longrepr}"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where browser tests are required, a whole run without a single one is a failure too."""
    if not BROWSER_REQUIRED or hasattr(session.config, "workerinput") or session.config.args_source.name == "ARGS":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not any("browser" in report.keywords for report in reporter.stats.get("passed", [])):
        reporter.write_line("no browser test ran, but COFFER_REQUIRE_BROWSER is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
