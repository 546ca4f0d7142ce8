"""Text that programs and people send, as long and as twisted as each field takes it: amounts stay in view."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.payloads import Sender
from tests.browser.site import PASSWORD, Site

EMAIL = "hostile@demo.test"
SLUG = "long-words"
RLO, RLI = "\u202e", "\u2067"
SIZES = ((390, 844), (1440, 900))

# Amounts that are cut off, by the window or by what scrolls or clips around them.
HIDDEN = """() => {
  const seen = (el) => el.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) && !el.closest(".vh, dialog");
  const cut = (el) => {
    const box = el.getBoundingClientRect();
    if (box.left < -1 || box.right > innerWidth + 1) return true;
    for (let up = el.parentElement; up; up = up.parentElement) {
      const around = up.getBoundingClientRect();
      const clips = getComputedStyle(up).overflowX !== "visible";
      if (clips && (box.left < around.left - 1 || box.right > around.right + 1)) return true;
    }
    return false;
  };
  return [...document.querySelectorAll("main :is(.num, .figure, .credit, .cell-amount), .pill, .pack strong")]
    .filter((el) => seen(el) && el.textContent.includes("$") && cut(el)).map((el) => el.outerHTML.slice(0, 150));
}"""
TURNED = "() => document.body.innerText.match(/[\\u0000-\\u0008\\u200e\\u200f\\u202a-\\u202e\\u2066\\u2067]/g) || []"


def long(size: int, *, turned: bool = True) -> str:
    """One word of that length, which turns what follows it around if nobody stops it."""
    start = f"{RLO}שלום{RLI}" if turned else ""
    return (start + "W" * size)[:size]


@pytest.fixture(scope="module")
def hostile(dummy_site: Site) -> Iterator[Sender]:
    """The owner of an organization in which every text is such a word."""
    site = dummy_site
    site.command("users", "create", "--email", EMAIL, "--password", PASSWORD)
    owner = Sender(site, EMAIL, agent=long(200, turned=False))
    assert owner.post("/orgs", {"name": "Hostile", "slug": SLUG}, at="/orgs/new").status_code == 303
    org_id = site.org_id(SLUG)
    for name in ("a", "b"):
        key = {"name": long(100, turned=False), "scopes": ["wallet:read", "wallet:charge"], "mode": "test"}
        assert owner.post(f"/o/{SLUG}/keys", key, at=f"/o/{SLUG}/keys/new").status_code == 303
        token = {"name": long(100, turned=False), "scopes": "wallet:read"}
        assert owner.post("/account/tokens", token, at="/account/tokens/new").status_code == 303
        invite = {"emails": f"{name}{'w' * 60}@{'x' * 60}.{'y' * 60}.test", "role": "admin"}
        assert owner.post(f"/o/{SLUG}/invites", invite, at=f"/o/{SLUG}/invites/new").status_code in (200, 303)
    scopes = "wallet:charge,wallet:deposit"
    key = site.command("api-keys", "create", "--org", SLUG, "--scopes", scopes, "--name", "k").strip().splitlines()[-1]
    headers = {"Authorization": f"Bearer {key}"}
    for operation, amount in (("deposit", 123_456_789_000_000), ("charge", 18_100), ("charge", 12_345_678_910_000)):
        sent = {
            "operation": operation, "amount_micros": amount, "description": long(500),
            "idempotency_key": ("k" + uuid4().hex * 8)[:200],
        }  # fmt: skip
        sent |= {"app": long(200)} if operation == "charge" else {}
        answer = requests.post(f"{site.url}/api/v1/orgs/{org_id}/wallet", json=sent, headers=headers, timeout=10)
        assert answer.status_code == 201, answer.text
    manager = Sender(site, "manager@demo.test")
    grant = {"amount": "7", "category": "goodwill", "reason": "W" * 500, "confirm": "1"}
    assert manager.post(f"/admin/orgs/{org_id}/grant", grant, at=f"/admin/orgs/{org_id}/grant").status_code == 303
    buy: dict[str, object] = {
        "product_id": str(site.ask("SELECT id FROM products WHERE name = 'Starter'")[0][0]),
        "quantity": "1",
    }
    versions = site.ask("SELECT id FROM product_versions WHERE product_id = %s", buy["product_id"])
    buy["version_id"] = [str(one) for (one,) in versions]
    bought = owner.post(f"/o/{SLUG}/buy", buy, at=f"/o/{SLUG}/buy")
    assert bought.status_code == 303, bought.text
    kept = site.ask("SELECT id, name, description FROM products")
    site.tell("UPDATE users SET name = %s WHERE email = %s", long(120), EMAIL)
    site.tell("UPDATE organizations SET name = %s WHERE id = %s", long(100), org_id)
    site.tell("UPDATE api_keys SET name = %s WHERE org_id = %s", long(100), org_id)  # names refuse this today
    site.tell("UPDATE products SET name = %s, description = %s", long(80), long(200))
    yield owner
    for product_id, name, description in kept:
        site.tell("UPDATE products SET name = %s, description = %s WHERE id = %s", name, description, product_id)
    site.tell("UPDATE organizations SET name = 'Hostile' WHERE id = %s", org_id)


def faults(page: Page, address: str) -> list[str]:
    page.goto(address)
    expect(page.locator("main")).to_be_visible()
    found = [f"turned by {mark!r}" for mark in page.evaluate(TURNED)]
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{width}: the page is {wide} wide"] if wide > width else []
        found += [f"{width}: hidden: {element}" for element in page.evaluate(HIDDEN)]
    return [f"{page.url}: {fault}" for fault in found]


def links(page: Page, address: str, selector: str) -> list[str]:
    page.goto(address)
    hrefs = page.locator(selector).evaluate_all("all => all.map((one) => one.getAttribute('href'))")
    return list(dict.fromkeys(hrefs))


def test_nothing_that_is_sent_hides_an_amount(dummy_site: Site, visit: Visit, hostile: Sender) -> None:
    page, manager = visit(dummy_site), visit(dummy_site, "manager")
    for one in hostile.session.cookies:
        page.context.add_cookies([{"name": one.name, "value": one.value or "", "url": dummy_site.url}])
    home, org = f"/o/{SLUG}", f"/admin/orgs/{dummy_site.org_id(SLUG)}"
    addresses = [home + tail for tail in (
        "/", "/?group=key", "/transactions", "/payments", "/buy", "/keys", "/keys/new", "/members", "/invites",
        "/invites/new", "/settings", "/audit", "/nowhere",
    )] + ["/account", "/account/tokens", "/account/security", "/orgs"]  # fmt: skip
    for tail, selector in (
        ("/transactions", "#transactions .cell-main a"), ("/payments", "#payments .cell-main a"),
        ("/keys", "#key-list .cell-main a"), ("/audit", "#audit .cell-main a"),
    ):  # fmt: skip
        found = links(page, home + tail, selector)[:3]
        assert found, tail
        addresses += found
    bad = [fault for address in addresses for fault in faults(page, address)]
    theirs = [
        "/admin/", "/admin/orgs", "/admin/users", "/admin/payments", "/admin/webhooks", "/admin/mail", "/admin/audit",
        "/admin/catalog/packs", org, f"{org}/grant", f"{org}/remove", f"{org}/suspend", f"{home}/", f"{home}/members",
        *links(manager, "/admin/users?q=hostile", "#users .cell-main a")[:1],
        *links(manager, "/admin/catalog/packs", ".cell-main a")[:1],
    ]  # fmt: skip
    bad += [fault for address in theirs for fault in faults(manager, address)]
    assert not bad, "\n".join(bad)
