"""What platform managers do for customers, and how customers see it."""

import re

from playwright.sync_api import Page, expect

from tests.browser.buying import balance_card, exact, titled
from tests.browser.conftest import Visit
from tests.browser.site import Site

# Sends the form and stays on the page, as the first half of a double click does.
SEND = """async (form) => {
  await fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual"});
}"""


def fill(page: Page, amount: str, category: str, reason: str) -> None:
    page.get_by_label("Amount in credits").fill(amount)
    page.get_by_label("Category").select_option(label=category)
    page.get_by_role("textbox", name="Reason").fill(reason)


def test_a_grant_is_reviewed_and_seen_by_the_owner(dummy_site: Site, visit: Visit) -> None:
    before = dummy_site.balance()
    page = visit(dummy_site, "manager")
    page.goto("/admin/orgs")
    page.get_by_role("link", name=re.compile("Grant .*to Northwind Labs")).click()
    fill(page, "12.345678", "Goodwill", "Slow answers on Monday")
    page.get_by_role("button", name="Review grant").click()
    expect(page.locator("main")).to_contain_text("Nothing has changed yet")
    expect(page.locator("main")).to_contain_text(f"{exact(before)} + $12.345678 = {exact(before + 12_345_678)}")
    assert dummy_site.balance() == before
    form = page.get_by_role("button", name="Grant $12.34").locator("xpath=ancestor::form")
    form.evaluate(SEND)
    assert dummy_site.balance() == before + 12_345_678
    page.get_by_role("button", name="Grant $12.34").click()
    expect(page.locator("#toasts")).to_contain_text("Nothing was changed twice")
    assert dummy_site.balance() == before + 12_345_678

    owner = visit(dummy_site, "owner")
    owner.goto("/o/demo/")
    expect(balance_card(owner)).to_have_attribute("title", exact(before + 12_345_678))
    owner.locator("#recent .cell-main a").first.click()
    expect(owner.locator("main")).to_contain_text("Slow answers on Monday")
    expect(owner.locator("main")).not_to_contain_text("Coffer Support")


def test_a_removal_cannot_take_more_than_there_is_by_accident(dummy_site: Site, visit: Visit) -> None:
    before = dummy_site.balance()
    page = visit(dummy_site, "manager")
    page.goto(f"/admin/orgs/{dummy_site.org_id()}")
    page.locator(".page-head").get_by_role("link", name="Remove credits").click()
    fill(page, "100000", "Correction", "Granted by mistake")
    page.get_by_role("button", name="Review removal").click()
    expect(page.get_by_label("Amount in credits")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("main")).to_contain_text("more than the balance")
    page.get_by_label("Amount in credits").fill("2.5")
    page.get_by_role("button", name="Review removal").click()
    page.get_by_role("button", name="Remove $2.50").click()
    expect(page.locator("#toasts")).to_contain_text("Removed $2.50")
    assert dummy_site.balance() == before - 2_500_000


def test_a_grant_to_a_person_lands_in_their_own_organization(dummy_site: Site, visit: Visit) -> None:
    page = visit(dummy_site, "manager")
    page.goto("/admin/users?q=viewer@demo.test")
    page.locator("#users .cell-main a").click()
    page.get_by_role("link", name="Grant credits").click()
    fill(page, "3", "Promotion", "Thanks for the report")
    page.get_by_role("button", name="Review grant").click()
    page.get_by_role("button", name="Grant $3.00").click()
    expect(page.locator("#toasts")).to_contain_text("Granted $3.00")


def test_a_parked_event_is_retried_after_its_dialog(dummy_site: Site, visit: Visit) -> None:
    page = visit(dummy_site, "manager")
    page.goto("/admin/")
    expect(page.get_by_role("region", name="Needs attention")).to_be_visible()
    page.goto("/admin/webhooks?state=parked")
    page.locator("#events .cell-main a").first.click()
    event_id = page.url.rpartition("/")[2]
    tries = dummy_site.ask("SELECT attempts FROM inbox_events WHERE id = %s", event_id)[0][0]
    page.get_by_role("link", name=re.compile("Retry")).click()
    page.get_by_role("dialog").get_by_role("button", name="Retry event").click()
    expect(page.get_by_role("region", name="Tries").locator("tbody tr")).to_have_count(tries + 1)
    titled(page, "checkout.session.completed")
