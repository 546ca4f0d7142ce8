"""Names, addresses, reasons and devices of people, in each of many dangerous ways of writing: shown as typed."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.payloads import PAYLOADS, PLANTED, Sender, packed
from tests.browser.site import PASSWORD, Site

EMAIL = "payloads@demo.test"


@dataclass(frozen=True)
class Stored:
    """Where it all went in: an organization by slug, and its owner."""

    slug: str
    org_id: str
    user_id: str
    owner: Sender


@pytest.fixture(scope="module")
def stored(stripe_site: Site) -> Iterator[Stored]:
    """Each payload through the product's own forms and calls into everything that takes words."""
    stripe_site.command("users", "create", "--email", EMAIL, "--password", PASSWORD)
    for payload in PAYLOADS:
        Sender(stripe_site, EMAIL, agent=payload)
    owner, manager = Sender(stripe_site, EMAIL), Sender(stripe_site, "manager@demo.test")
    made = owner.post("/orgs", {"name": "Payloads", "slug": "typed"}, at="/orgs/new")
    assert made.status_code == 303, made.text
    org_id = str(stripe_site.org_id("typed"))
    user_id = str(stripe_site.ask("SELECT id FROM users WHERE email = %s", EMAIL)[0][0])
    for payload in PAYLOADS:
        key = {"name": payload[:100], "scopes": "wallet:read", "mode": "test"}
        answer = owner.post("/o/typed/keys", key, at="/o/typed/keys/new")
        assert answer.status_code == 303, answer.text
        scopes = {"scopes": "wallet:deposit", "reason": payload}
        path = answer.headers["Location"].removeprefix(stripe_site.url)
        given = manager.post(f"{path}/operator-scopes", scopes, at=f"{path}/operator-scopes")
        assert given.status_code == 303, given.text
        token = {"name": payload[:100], "scopes": "wallet:read"}
        assert owner.post("/account/tokens", token, at="/account/tokens/new").status_code == 303
    _post_charges(stripe_site, org_id)
    yield Stored("typed", org_id, user_id, owner)
    owner.post("/account", {"name": "Pay Loads", "timezone": "UTC", "theme": "system"}, at="/account")
    owner.post("/o/typed/settings", {"name": "Payloads"}, at="/o/typed/settings")


def _post_charges(site: Site, org_id: str) -> None:
    key = site.command(
        "api-keys", "create", "--org", "typed", "--scopes", "wallet:charge,wallet:deposit", "--name", "x"
    ).strip()
    url, headers = f"{site.url}/api/v1/orgs/{org_id}/wallet", {"Authorization": f"Bearer {key}"}
    deposit = {"operation": "deposit", "amount_micros": 1_000_000, "description": "All of it"}
    assert requests.post(url, json=deposit, headers=headers, timeout=10).status_code == 201
    for payload in PAYLOADS:
        sent = {"operation": "charge", "amount_micros": 1, "description": payload, "app": payload[:60]}
        assert requests.post(url, json=sent, headers=headers, timeout=10).status_code == 201


def enter(page: Page, stored: Stored) -> None:
    """This browser is the owner's too."""
    for one in stored.owner.session.cookies:
        page.context.add_cookies([{"name": one.name, "value": one.value or "", "url": stored.owner.site.url}])


def harmless(page: Page, address: str, *, shows: tuple[str, ...] = ()) -> None:
    page.goto(address)
    expect(page.locator("main")).to_be_visible()
    assert page.evaluate(PLANTED) == [], address
    text = page.locator("main").inner_text() if shows else ""
    for payload in shows:
        assert " ".join(payload.split()) in " ".join(text.split()), f"{address} does not show {payload}"


def test_lists_show_it_as_it_was_typed(stripe_site: Site, visit: Visit, stored: Stored) -> None:
    page = visit(stripe_site)
    enter(page, stored)
    home = f"/o/{stored.slug}"
    names = tuple(payload[:100] for payload in PAYLOADS)
    harmless(page, f"{home}/keys", shows=names)
    harmless(page, "/account/tokens", shows=names)
    harmless(page, f"{home}/transactions", shows=PAYLOADS)
    harmless(page, f"{home}/audit?group=keys")
    listed = page.locator("main").inner_text()
    page.get_by_role("link", name="Older").click()
    assert page.evaluate(PLANTED) == []
    listed = " ".join((listed + page.locator("main").inner_text()).split())
    assert [payload for payload in PAYLOADS if " ".join(payload.split()) not in listed] == []
    for address in (f"{home}/members", f"{home}/invites", f"{home}/", "/account/security", "/orgs", f"{home}/payments"):
        harmless(page, address)
    for query in ("object", "actor", "group", "cursor", "zone"):
        text = PAYLOADS[1] if query != "object" else PAYLOADS[12]
        harmless(page, f"{home}/audit?{query}={requests.utils.quote(text)}")
    page.goto(f"{home}/invites/new")
    page.get_by_role("textbox").first.fill("\n".join(PAYLOADS))
    page.locator("main form").first.evaluate("form => form.noValidate = true")
    page.locator("main form [type=submit]").first.click()
    expect(page.locator("main")).to_contain_text("Send invites")
    expect(page.locator("main")).to_contain_text("img src=x onerror=alert('xss')")
    assert page.evaluate(PLANTED) == []


def test_names_of_people_and_organizations_stay_names(stripe_site: Site, visit: Visit, stored: Stored) -> None:
    page, manager = visit(stripe_site), visit(stripe_site, "manager")
    enter(page, stored)
    home = f"/o/{stored.slug}"
    for number, name in enumerate(packed(100)):
        person = {"name": name, "timezone": "UTC", "theme": "system"}
        assert stored.owner.post("/account", person, at="/account").status_code == 303
        org = {"name": name, "billing_address": f"{name}\n{name}", "tax_id": name[:50]}
        saved = stored.owner.post(f"{home}/settings", org, at=f"{home}/settings")
        assert saved.status_code == 303, saved.text
        harmless(page, f"{home}/members", shows=(name,))
        if number % 4 == 0:
            harmless(page, f"{home}/settings")
            harmless(manager, f"/admin/orgs/{stored.org_id}", shows=(name,))
    for address in (f"{home}/settings/delete", f"{home}/settings/transfer", "/account", "/orgs", f"{home}/buy"):
        harmless(page, address)
    wrong = {"name": PAYLOADS[0] * 9, "slug": PAYLOADS[1], "timezone": PAYLOADS[2]}
    assert stored.owner.post(f"{home}/settings", wrong, at=f"{home}/settings").status_code == 422
    harmless(page, f"{home}/audit?group=organization")
    page.locator("#audit .cell-main a").first.click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()
    assert page.evaluate(PLANTED) == []
    for address in (
        f"/admin/users/{stored.user_id}", "/admin/users?q=payloads", "/admin/orgs?q=payloads", "/admin/audit",
        f"/admin/audit?org={stored.org_id}", f"/o/{stored.slug}/members", f"/o/{stored.slug}/audit",
    ):  # fmt: skip
        harmless(manager, address)


def test_reasons_of_operators_are_words(stripe_site: Site, visit: Visit, stored: Stored) -> None:
    page, manager, sender = visit(stripe_site), visit(stripe_site, "manager"), Sender(stripe_site, "manager@demo.test")
    enter(page, stored)
    org = f"/admin/orgs/{stored.org_id}"
    texts = packed(450)
    for number, reason in enumerate(texts):
        for act in ("suspend", "unsuspend"):
            answer = sender.post(f"{org}/{act}", {"reason": reason}, at=f"{org}/{act}")
            assert answer.status_code == 303, answer.text
        overdraft = {"amount": str(number + 1), "reason": reason}
        assert sender.post(f"{org}/overdraft", overdraft, at=f"{org}/overdraft").status_code == 303
    harmless(manager, org)
    harmless(manager, f"/admin/audit?org={stored.org_id}&group=organization")
    harmless(page, f"/o/{stored.slug}/audit?group=organization")
    harmless(page, f"/o/{stored.slug}/audit?group=money")
    page.locator("#audit .cell-main a").first.click()
    expect(page.locator("main")).to_contain_text(texts[-1][:40])
    assert page.evaluate(PLANTED) == []


FORMS = ("account", "account/tokens/new", "orgs/new", "o/{}/settings", "o/{}/settings/identity", "o/{}/keys/new")


def test_forms_give_back_as_text_what_was_typed(stripe_site: Site, visit: Visit, stored: Stored) -> None:
    page = visit(stripe_site)
    enter(page, stored)
    for form in FORMS:
        address = f"/{form.format(stored.slug)}"
        for payload in (PAYLOADS[12] + PAYLOADS[1], PAYLOADS[15] + PAYLOADS[13]):
            page.goto(address)
            for field in page.locator("main form[method=post] :is(input[type=text], textarea)").all():
                field.evaluate("(el, text) => { el.removeAttribute('maxlength'); el.value = text }", payload * 4)
            with page.expect_response(lambda answer: answer.request.method == "POST"):
                page.locator("main form[method=post] [type=submit]").first.evaluate(
                    "button => { button.form.noValidate = true; button.click() }"
                )
            page.wait_for_load_state()
            expect(page.locator("main")).to_be_visible()
            assert page.evaluate(PLANTED) == [], address


def test_mails_show_names_as_text(stripe_site: Site, visit: Visit, stored: Stored) -> None:
    page = visit(stripe_site)
    home = f"/o/{stored.slug}"
    for number, name in enumerate(packed(100)):
        stored.owner.post("/account", {"name": name, "timezone": "UTC", "theme": "system"}, at="/account")
        stored.owner.post(f"{home}/settings", {"name": name}, at=f"{home}/settings")
        sent = {"emails": f"guest{number}@demo.test", "role": "viewer"}
        answer = stored.owner.post(f"{home}/invites", sent, at=f"{home}/invites/new")
        assert answer.status_code in (200, 303), answer.text
    rows = stripe_site.ask("SELECT org_id, id FROM outbox_emails WHERE org_id = %s ORDER BY id", stored.org_id)
    assert len(rows) == len(packed(100))
    harmless(page, "/dev/mail")
    for org_id, mail_id in rows[::3]:
        harmless(page, f"/dev/mail/{org_id}/{mail_id}")
        page.goto(f"/dev/mail/{org_id}/{mail_id}/html")
        assert page.evaluate(PLANTED) == [], mail_id
