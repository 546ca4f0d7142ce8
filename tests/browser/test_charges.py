"""A member's first key and what it costs them, and a charge found by the amount that the page shows."""

import re
from decimal import Decimal

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.site import Site


@pytest.fixture
def member(dummy_site: Site, visit: Visit) -> Page:
    return visit(dummy_site, "member")


def charge(site: Site, key: str, micros: int, description: str) -> None:
    body = {"operation": "charge", "amount_micros": micros, "description": description, "app": "night-report",
            "idempotency_key": description}  # fmt: skip
    headers = {"Authorization": f"Bearer {key}"}
    answer = requests.post(f"{site.url}/api/v1/orgs/{site.org_id()}/wallet", json=body, headers=headers, timeout=10)
    assert answer.status_code == 201, answer.text


def cost_of(page: Page) -> int:
    """What the page says that this user spent in 30 days, in micros."""
    page.goto("/o/demo/")
    figure = page.get_by_role("region", name="Your cost in 30 days").locator(".figure [title]")
    return round(Decimal((figure.get_attribute("title") or "").replace("$", "").replace(",", "")) * 1_000_000)


def test_a_member_sees_what_their_own_key_costs(dummy_site: Site, member: Page, visit: Visit) -> None:
    before = cost_of(member)
    member.goto("/o/demo/keys")
    member.get_by_role("link", name=re.compile("Create (an API )?key")).first.click()
    member.get_by_label("Name").fill("Notebook")
    member.get_by_label("Charge from a server").check()
    member.get_by_role("button", name=re.compile("Create")).click()
    key = member.locator("#copy-key").inner_text()
    for number in range(2):
        charge(dummy_site, key, 18_149, f"notebook run {number}")
    assert cost_of(member) == before + 2 * 18_149
    member.goto("/o/demo/?group=app")
    expect(member.get_by_role("region", name="Your cost by app")).to_contain_text("night-report")
    recent = member.get_by_role("region", name="Your recent charges")
    expect(recent.get_by_role("row").filter(has_text="night-report")).to_have_count(1)
    recent.get_by_role("link", name="Show single entries").click()
    recent.get_by_role("link", name="notebook run 1").click()
    expect(member.get_by_role("heading", level=1)).to_contain_text("\u2212$0.0181 · notebook run 1")
    member.get_by_role("link", name=re.compile("Other charges by this key")).click()
    expect(member.locator("#transactions tbody tr")).to_have_count(2)

    owner = visit(dummy_site, "owner")
    owner.goto("/o/demo/transactions")
    owner.get_by_role("searchbox", name="Search").fill("$0.0181")
    expect(owner.locator("#transactions")).to_contain_text("notebook run 1")
    expect(owner.locator("#transactions .cell-amount").first).to_have_text("\u2212$0.0181")
    owner.get_by_role("searchbox", name="Search").fill("notebook run 0")
    expect(owner.locator("#transactions tbody tr")).to_have_count(1)


def test_a_bar_leads_to_its_day_and_dates_and_presets_exclude_each_other(dummy_site: Site, visit: Visit) -> None:
    page = visit(dummy_site, "owner")
    page.goto("/o/demo/?range=7")
    bar = page.locator(".chart a.day").nth(4)
    bar.hover()
    words = bar.get_attribute("aria-label")
    expect(page.locator("[data-readout]")).to_have_text(words or "")
    bar.click()
    expect(page).to_have_url(re.compile(r"/usage\?group=metric&from=(\S+)&to=\1$"))
    page.goto(page.url.replace("/usage?group=metric&", "/transactions?"))
    page.get_by_text("More filters").click()
    expect(page.get_by_label("From day, UTC")).not_to_have_value("")
    page.get_by_label("Days, UTC").select_option("30")
    expect(page.get_by_label("From day, UTC")).to_have_value("")
    expect(page).to_have_url(re.compile("range=30"))
    page.get_by_label("To day, UTC").fill("2026-01-01")
    expect(page.get_by_label("Days, UTC")).to_have_value("")
