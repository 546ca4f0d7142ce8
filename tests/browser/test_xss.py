"""Words of customers and of the outside world stay words, on every page that shows them."""

import json
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.buying import titled
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site

BAD = "<img src=x onerror=alert(1)><b hx-get=/x hx-trigger=load>{{7*7}}</b>\"' onfocus=alert(2) autofocus='"
ODD = "?q=%3Cimg%20src%3Dx%20onerror%3Dalert(3)%3E%22%20autofocus%20onfocus%3Dalert(4)"

MARKS = """() => [...document.querySelectorAll("*")].filter((el) =>
  [...el.attributes].some((one) => one.name.startsWith("on") || one.value === "/x")
  || el.matches("img[src='x'], b[hx-get], script:not([src])")).map((el) => el.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def marked(stripe_site: Site) -> Iterator[tuple[str, str]]:
    """The slug of an organization and its owner's address, bad in everything that can be named."""
    email = "names@demo.test"
    stripe_site.command("users", "create", "--email", email, "--password", PASSWORD)
    query = (
        "SELECT d.slug, d.org_id, u.id FROM org_directory d JOIN memberships m USING (org_id)"
        " JOIN users u ON u.id = m.user_id WHERE u.email = %s"
    )
    slug, org_id, user_id = stripe_site.ask(query, email)[0]
    stripe_site.tell("UPDATE users SET name = %s WHERE id = %s", BAD[:120], user_id)
    stripe_site.tell("UPDATE organizations SET name = %s WHERE id = %s", BAD[:120], org_id)
    stripe_site.tell("UPDATE products SET description = %s", BAD[:200])
    stripe_site.tell("UPDATE products SET name = %s WHERE name = 'Scale'", BAD[:100])
    words = ("--scopes", "wallet:read,wallet:charge", "--name", BAD[:100])
    key = stripe_site.command("api-keys", "create", "--org", slug, *words).strip()
    sent = {"operation": "charge", "amount_micros": 1000, "description": BAD, "app": BAD[:60]}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "<img/src=x>"}
    answer = requests.post(f"{stripe_site.url}/api/v1/orgs/{org_id}/wallet", json=sent, headers=headers, timeout=10)
    assert answer.status_code in (200, 201), answer.text
    event = {
        "id": "evt_<img/src=x/onerror=alert(5)>", "object": "event", "type": "checkout.session.completed",
        "api_version": "2026-10-28", "created": 1, "livemode": False,
        "data": {"object": {"id": "cs_test_none", "object": "checkout.session", "metadata": {"org_id": BAD}}},
    }  # fmt: skip
    assert stripe_site.stack.deliver(event).status_code in (200, 400), json.dumps(event)
    yield slug, email
    stripe_site.tell("UPDATE organizations SET name = 'Names' WHERE id = %s", org_id)


def harmless(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("main")).to_be_visible()
    assert page.evaluate(MARKS) == [], address
    assert "49</b>" not in page.content()


def test_customers_pages(stripe_site: Site, visit: Visit, marked: tuple[str, str]) -> None:
    slug, email = marked
    page = visit(stripe_site)
    page.goto(f"/login{ODD}&next=javascript:alert(6)")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    titled(page, "Cost management")
    home = f"/o/{slug}"
    for tail in ("/", f"/{ODD}", "/?group=type", "/buy", f"/buy{ODD}", "/keys", f"/transactions{ODD}", "/transactions"):
        harmless(page, home + tail)
    page.locator("#transactions .cell-main a").first.click()
    expect(page.locator("main")).to_contain_text("<img src=x onerror=alert(1)>")
    harmless(page, page.url)
    harmless(page, f"{home}/keys")
    page.locator("#key-list .cell-main a").first.click()
    harmless(page, page.url)
    harmless(page, f"{page.url}/revoke")
    harmless(page, f"{home}/buy/return?payment=%3Cimg%20src%3Dx%20onerror%3Dalert(7)%3E")
    harmless(page, f"{home}/nowhere{ODD}")
    page.goto(f"{home}/")
    page.locator(".page-head").get_by_role("link", name="Buy credits").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate(MARKS) == []
    page.get_by_role("dialog").get_by_role("radio").last.check()
    expect(page.locator("#buy-after")).to_contain_text("You pay")
    assert page.evaluate(MARKS) == []


def test_managers_pages(stripe_site: Site, visit: Visit, marked: tuple[str, str]) -> None:
    slug, email = marked
    org_id = stripe_site.org_id(slug)
    page = visit(stripe_site, "manager")
    page.goto(f"/admin/orgs/{org_id}/grant")
    page.get_by_label("Amount in credits").fill("1")
    page.get_by_label("Category").select_option(index=1)
    page.get_by_role("textbox", name="Reason").fill(BAD)
    page.get_by_role("button", name="Review grant").click()
    expect(page.get_by_text("Nothing has changed yet")).to_be_visible()
    assert page.evaluate(MARKS) == []
    page.get_by_role("button", name="Grant $1.00").click()
    expect(page.locator("#toasts")).to_contain_text("Granted")
    assert page.evaluate(MARKS) == []
    user_id = stripe_site.ask("SELECT id FROM users WHERE email = %s", email)[0][0]
    for address in (
        "/admin/", "/admin/orgs", f"/admin/orgs{ODD}", f"/admin/orgs/{org_id}", f"/admin/orgs/{org_id}/grant",
        f"/admin/orgs/{org_id}/remove", "/admin/users", f"/admin/users{ODD}", f"/admin/users/{user_id}",
        f"/admin/users/{user_id}/grant", "/admin/webhooks", f"/admin/webhooks{ODD}&type=%3Cimg%20src%3Dx%3E",
        f"/o/{slug}/", f"/o/{slug}/transactions", f"/o/{slug}/keys",
    ):  # fmt: skip
        harmless(page, address)
    for (event_id,) in stripe_site.ask("SELECT id FROM inbox_events ORDER BY created_at DESC LIMIT 2"):
        harmless(page, f"/admin/webhooks/{event_id}")
        harmless(page, f"/admin/webhooks/{event_id}/retry")
