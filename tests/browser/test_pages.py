"""Every page in both themes and at all widths.

`COFFER_SCREENSHOTS=1` writes pictures of them to `test-results/pages/`, and the two of the README to `docs/img/`.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import account_cases, audit, cases, credit_cases, invite_cases, org_cases, price_cases, program_cases
from tests.browser.cases import Case
from tests.browser.conftest import WAIT_MS
from tests.browser.monitor import Monitor
from tests.browser.site import Site
from tests.servers import ROOT

SHOTS = ROOT / "test-results" / "pages" if os.environ.get("COFFER_SCREENSHOTS") else None
README = ROOT / "docs" / "img"
SHOWN_THERE = {"cost-management": "cost-management", "platform": "platform-overview"}
MOST_BYTES = 200_000
EVERY = (
    *cases.ALL,
    *account_cases.ALL,
    *invite_cases.ALL,
    *credit_cases.ALL,
    *org_cases.ALL,
    *price_cases.ALL,
    *program_cases.ALL,
)


@pytest.fixture(scope="module")
def seats(browser: Browser, dummy_site: Site) -> Iterator[Callable[[str], tuple[Page, Monitor]]]:
    """One page per person, used by all cases: making contexts would take longer than looking at the pages."""
    made: dict[str, tuple[Page, Monitor]] = {}

    def seat(person: str) -> tuple[Page, Monitor]:
        if person not in made:
            context = browser.new_context(base_url=dummy_site.url, timezone_id="Europe/Stockholm")
            context.set_default_timeout(WAIT_MS)
            context.add_cookies(dummy_site.cookies(person) if person else [])  # type: ignore[arg-type]
            context.add_init_script(audit.AXE)  # quicker than into each page on its own
            monitor = Monitor(dummy_site.url)
            context.on("page", monitor.over)
            made[person] = context.new_page(), monitor
        return made[person]

    yield seat
    for page, _ in made.values():
        page.context.close()


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_a_page_is_sound(case: Case, dummy_site: Site, seats: Callable[[str], tuple[Page, Monitor]]) -> None:
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
    page, monitor = seats(case.person)
    page.set_viewport_size({"width": 1440, "height": 900})
    case.open(page, dummy_site)
    faults = audit.faults(page, SHOTS, case.name)
    complaints, monitor.complaints[:] = list(monitor.complaints), []
    assert not faults + complaints, "\n".join(faults + complaints)
    if SHOTS and case.name in SHOWN_THERE:
        picture = page.screenshot(path=README / f"{SHOWN_THERE[case.name]}.png")
        assert len(picture) < MOST_BYTES
