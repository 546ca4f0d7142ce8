"""Pages by keyboard, the dialog, the menu, toasts, filters, and what is left after signing out."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from dashboard.core import clock
from tests.browser.buying import titled
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site

IN_DIALOG = "document.getElementById('modal').contains(document.activeElement)"


@pytest.fixture
def cost(dummy_site: Site, visit: Visit) -> Page:
    page = visit(dummy_site, "owner")
    page.goto("/o/demo/")
    return page


def test_the_first_key_offers_the_way_to_the_content(cost: Page) -> None:
    cost.keyboard.press("Tab")
    expect(cost.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(cost.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    cost.keyboard.press("Enter")
    expect(cost.locator("main")).to_be_focused()


def test_the_dialog_keeps_the_focus_and_gives_it_back(cost: Page) -> None:
    opener = cost.locator(".page-head").get_by_role("link", name="Buy credits")
    opener.focus()
    cost.keyboard.press("Enter")
    dialog = cost.get_by_role("dialog", name="Buy credits")
    expect(dialog).to_be_visible()
    inside = [cost.keyboard.press("Tab") or cost.evaluate(IN_DIALOG) for _ in range(8)]
    assert inside.count(True) >= 5  # the browser's own controls may take a turn, the page behind never
    assert not cost.evaluate("document.querySelector('.shell').contains(document.activeElement)")
    cost.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    cost.keyboard.press("Enter")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    expect(cost).to_have_url(re.compile("/o/demo/$"))


def test_a_dialog_opens_again_although_the_page_has_not_yet_heard_that_it_closed(cost: Page) -> None:
    cost.locator(".page-head").get_by_role("link", name="Buy credits").click()
    dialog = cost.get_by_role("dialog", name="Buy credits")
    expect(dialog).to_be_visible()
    with cost.expect_response("**/buy"):
        cost.evaluate("document.getElementById('modal').close(); document.activeElement.click()")
    expect(dialog).to_be_visible()
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()


def test_an_error_in_the_dialog_takes_the_focus_and_keeps_the_entry(cost: Page) -> None:
    cost.locator(".page-head").get_by_role("link", name="Buy credits").click()
    quantity = cost.get_by_role("dialog").get_by_label("Quantity")
    quantity.fill("many")
    quantity.press("Enter")
    expect(cost.get_by_role("dialog")).to_contain_text("Enter a whole number")
    expect(quantity).to_be_focused()
    expect(quantity).to_have_value("many")
    expect(quantity).to_have_attribute("aria-invalid", "true")


def test_the_menu_on_a_phone(cost: Page) -> None:
    cost.set_viewport_size({"width": 390, "height": 844})
    button = cost.get_by_role("button", name="Menu")
    nav = cost.get_by_role("navigation", name="Main")
    expect(nav).to_be_hidden()
    button.press("Enter")
    expect(nav).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    nav.get_by_role("link", name="API keys").focus()
    cost.keyboard.press("Escape")
    expect(nav).to_be_hidden()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")


def test_a_toast_is_dismissed_by_its_button(cost: Page) -> None:
    cost.goto("/o/demo/?entries=1")
    cost.locator("#recent .cell-main a").first.click()
    expect(cost.get_by_role("heading", name="What caused it")).to_be_visible()
    cost.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    cost.get_by_role("button", name="Copy ID", exact=True).click()
    toast = cost.get_by_role("status").get_by_text("The text is selected")
    expect(toast).to_be_visible()
    assert cost.evaluate("String(getSelection())")
    cost.get_by_role("button", name="Dismiss").press("Enter")
    expect(toast).to_have_count(0)


def test_a_filter_keeps_the_focus_and_asks_once(cost: Page) -> None:
    asked: list[str] = []
    cost.clock.install()
    cost.goto("/o/demo/transactions")
    cost.on("request", lambda request: asked.append(request.url) if "q=" in request.url else None)
    search = cost.get_by_role("searchbox", name="Search")
    cost.clock.pause_at(clock.now() + timedelta(minutes=1))  # however slow the machine, the keys come in haste
    search.press_sequentially("emails")
    cost.clock.resume()
    expect(cost.locator("#transactions .cell-main a").first).to_have_text(re.compile("emails$"))
    expect(cost).to_have_url(re.compile("q=emails"))
    expect(search).to_be_focused()
    expect(search).to_have_value("emails")
    assert len(asked) == 1, asked
    cost.reload()
    expect(cost.get_by_role("searchbox", name="Search")).to_have_value("emails")


def test_nothing_is_left_after_signing_out(dummy_site: Site, visit: Visit) -> None:
    page = visit(dummy_site)
    page.goto("/login?next=/o/demo/transactions")
    page.get_by_label("Email").fill("owner@demo.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    titled(page, "Transactions")
    page.goto("/o/demo/")
    page.get_by_role("button", name="Sign out").click()
    titled(page, "Sign in")
    page.go_back()
    titled(page, "Sign in")
    expect(page.locator("body")).not_to_contain_text("Northwind")
    page.go_back()
    titled(page, "Sign in")
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    expect(page.locator("main")).not_to_contain_text("Balance")


def test_a_session_that_ended_elsewhere_leads_to_the_sign_in_page(dummy_site: Site, visit: Visit) -> None:
    page = visit(dummy_site, "viewer")
    page.goto("/o/demo/transactions")
    page.context.clear_cookies()
    page.get_by_role("searchbox", name="Search").fill("storage")
    expect(page).to_have_url(re.compile(r"/login\?next="))
