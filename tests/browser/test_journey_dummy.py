"""From signing in to credits that explain themselves, paid by the dummy provider."""

import re

from playwright.sync_api import expect

from tests.browser.buying import STARTER, balance_card, choose, exact, payment, titled
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site


def test_a_purchase_from_sign_in_to_its_explanation(dummy_site: Site, visit: Visit) -> None:
    page = visit(dummy_site)
    page.goto("/o/demo/")
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("Email").fill("owner@demo.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    titled(page, "Cost management")
    before = dummy_site.balance()
    expect(balance_card(page)).to_have_attribute("title", exact(before))
    left_open = page.context.new_page()
    left_open.goto("/o/demo/")

    page.bring_to_front()
    page.locator(".page-head").get_by_role("link", name="Buy credits").click()
    dialog = page.get_by_role("dialog", name="Buy credits")
    dialog.get_by_role("radio", name="Scale").check()
    expect(dialog.locator("#buy-after")).to_contain_text("$500.00 for $550.00 of credits")
    dialog.get_by_role("radio", name="Starter").check()
    dialog.get_by_label("Quantity").fill("2")
    expect(dialog.locator("#buy-after")).to_contain_text("$50.00 for $50.00 of credits")
    dialog.get_by_role("button", name="Continue to payment").click()

    titled(page, "Test payment")
    page.get_by_role("button", name="Pay $50.00").click()
    expect(page).to_have_url(re.compile("/buy/return"))
    titled(page, "Payment confirmed")
    expect(payment(page)).to_contain_text("2 × Starter")
    after = before + 2 * STARTER
    assert dummy_site.balance() == after

    # The tab that was open all along, without being touched.
    left_open.bring_to_front()
    expect(balance_card(left_open)).to_have_attribute("title", exact(after))
    expect(left_open.locator("#new-rows")).to_contain_text("1 new transaction")
    left_open.get_by_role("link", name="1 new transaction").click()
    left_open.get_by_role("table").get_by_role("link", name=re.compile("Starter")).first.click()
    expect(left_open.locator(".timeline")).to_contain_text("2 x Starter was ordered")
    expect(left_open.locator(".timeline")).to_contain_text("Paid through the dummy provider")
    expect(left_open.locator(".sum")).to_contain_text(exact(before))
    expect(left_open.locator(".sum")).to_contain_text(exact(after))

    page.bring_to_front()
    page.reload()
    titled(page, "Payment confirmed")
    payment(page).get_by_role("link", name="Back to cost management").click()
    expect(balance_card(page)).to_have_attribute("title", exact(after))


def test_a_declined_card_adds_nothing(dummy_site: Site, visit: Visit) -> None:
    before = dummy_site.balance()
    page = visit(dummy_site, "owner")
    choose(page)
    page.get_by_role("button", name="Decline the card").click()
    titled(page, "Payment failed")
    expect(payment(page)).to_contain_text("No credits were added")
    payment(page).get_by_role("link", name="Try again").click()
    titled(page, "Buy credits")
    assert dummy_site.balance() == before


def test_cancelling_changes_nothing_and_the_page_can_still_be_paid(dummy_site: Site, visit: Visit) -> None:
    before = dummy_site.balance()
    page = visit(dummy_site, "owner")
    choose(page)
    titled(page, "Test payment")
    hosted = page.url
    page.get_by_role("button", name="Cancel and go back").click()
    titled(page, "Payment cancelled")
    expect(payment(page)).to_contain_text("Nothing was charged")
    assert dummy_site.balance() == before
    page.goto(hosted)
    page.get_by_role("button", name="Pay $25.00").click()
    titled(page, "Payment confirmed")
    page.goto(hosted)
    expect(page.locator("main")).to_contain_text("made already")
    assert dummy_site.balance() == before + STARTER


def test_the_whole_way_without_script(dummy_site: Site, visit: Visit) -> None:
    before = dummy_site.balance()
    page = visit(dummy_site, java_script_enabled=False)
    page.goto("/login?next=/o/demo/")
    page.get_by_label("Email").fill("owner@demo.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator(".page-head").get_by_role("link", name="Buy credits").click()
    page.get_by_label("Quantity").fill("3")
    page.get_by_role("button", name="Update").click()
    expect(page.locator("#buy-after")).to_contain_text("$75.00 for $75.00 of credits")
    page.get_by_label("Quantity").fill("101")
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.locator("main")).to_contain_text("Enter a whole number from 1 to 100.")
    page.get_by_label("Quantity").fill("1")
    page.get_by_role("button", name="Continue to payment").click()

    # Nobody tells of this payment, so that the page still waits when its button is pressed.
    titled(page, "Test payment")
    session_id = page.url.rpartition("/")[2]
    paid = "UPDATE dummy_sessions SET state = 'paid', delivered_at = now() WHERE id = %s RETURNING payload"
    address = dummy_site.ask(paid, session_id)[0][0]["success_url"]
    page.goto(address)
    titled(page, "Payment being confirmed")
    page.get_by_role("button", name="Check now").click()
    titled(page, "Payment confirmed")
    assert dummy_site.balance() == before + STARTER
    page.get_by_role("link", name="See the transaction").click()
    expect(page.locator(".timeline")).to_contain_text("Starter was ordered")
    page.get_by_role("button", name="Sign out").click()
    titled(page, "Sign in")


def test_the_preview_shows_the_price_after_a_code(dummy_site: Site, visit: Visit) -> None:
    page = visit(dummy_site, "owner")
    page.goto("/o/demo/buy")
    page.get_by_role("radio", name="Team").check()
    page.get_by_label("Promotion code").fill("DEMO20")
    expect(page.locator("#buy-after")).to_contain_text("You pay $100.00 − $20.00 (DEMO20) = $80.00 for $105.00")
    page.get_by_label("Promotion code").fill("NEVER")
    expect(page.locator("#buy-after")).to_contain_text("This code is unknown, has expired or was used up.")
    expect(page.locator("#buy-after")).to_contain_text("You pay $100.00 for")
