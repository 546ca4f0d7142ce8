"""One browser, two websites with the demo in them: one paid by the dummy provider, one by Stripe's stand-in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import servers as plumbing
from tests.browser import site as sites
from tests.browser.monitor import Monitor
from tests.browser.site import Site
from tests.servers import Servers

HERE = Path(__file__).parent
WAIT_MS = 15_000  # for what the worker does; everything else is there at once

expect.set_options(timeout=WAIT_MS)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def demo_url(_servers: Servers) -> Iterator[str]:
    """A database with the demo in it, to be copied; nobody is connected to it."""
    with plumbing.extra(_servers, "browserdemo") as (database_url, redis_url):
        environ = _servers.environ(
            COFFER_DATABASE_URL=database_url, COFFER_REDIS_URL=redis_url, COFFER_PAYMENT__PROVIDER="dummy"
        )
        sites.command(environ, "seed-demo")
        yield database_url


@pytest.fixture(scope="session")
def dummy_site(_servers: Servers, demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("dummy")
    with sites.running(_servers, "browserdummy", demo_url, folder, COFFER_PAYMENT__PROVIDER="dummy") as made:
        yield made


@pytest.fixture(scope="session")
def stripe_site(_servers: Servers, demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sites.running(_servers, "browserstripe", demo_url, tmp_path_factory.mktemp("stripe")) as made:
        yield made


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens a page on a site, as one of the demo's people or as nobody: `visit(site, "owner")`.

    Options go to the browser's context. Ends with a failure when the browser complained about a page of ours.
    """
    opened: list[tuple[Any, Monitor]] = []

    def make(site: Site, person: str = "", **options: Any) -> Page:
        context = browser.new_context(base_url=site.url, timezone_id="Europe/Stockholm", **options)
        context.set_default_timeout(WAIT_MS)
        if person:
            context.add_cookies(site.cookies(person))  # type: ignore[arg-type]
        monitor = Monitor(site.url)
        context.on("page", monitor.over)
        opened.append((context, monitor))
        return context.new_page()

    yield make
    for context, _ in opened:
        context.close()
    for _, monitor in opened:
        monitor.require_quiet()
