"""Every page in every state that looks different: who opens it, where it is, and what is done on it first."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import requests
from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb

from tests.browser.site import Site

Address = str | Callable[[Site], str]


@dataclass(frozen=True)
class Case:
    name: str
    person: str
    address: Address
    then: Callable[[Page], None] | None = None

    def open(self, page: Page, site: Site) -> None:
        page.goto(self.address if isinstance(self.address, str) else self.address(site))
        if self.then:
            self.then(page)


def _payment(state: str, more: str = "") -> Callable[[Site], str]:
    """The return page of a payment of the demo in that state."""

    query = "SELECT id FROM payments WHERE org_id = %s AND state = %s AND key LIKE 'demo:%%' ORDER BY created_at"
    return lambda site: f"/o/demo/buy/return?payment={site.ask(query, site.org_id(), state)[0][0]}{more}"


def _hosted(state: str) -> Callable[[Site], str]:
    query = "SELECT id FROM dummy_sessions WHERE state = %s ORDER BY created_at, id"
    return lambda site: f"/dummy/checkout/{site.ask(query, state)[0][0]}"


def _story(state: str, base: str = "/o/demo/payments", more: str = "") -> Callable[[Site], str]:
    query = "SELECT id FROM payments WHERE org_id = %s AND state = %s AND key LIKE 'demo:%%' ORDER BY created_at"
    return lambda site: f"{base}/{site.ask(query, site.org_id(), state)[0][0]}{more}"


def _passing(state: str) -> Callable[[Site], str]:
    """The page of a payment in a state that lasts for moments only: a copy of another, which nobody asks about."""

    def address(site: Site) -> str:
        made = uuid4()
        changes: dict[str, str | None] = {
            "id": str(made),
            "key": str(made),
            "state": state,
            "next_check_at": "2100-01-01",
        }
        changes |= {"session_id": None, "opened_at": None} if state == "created" else {}
        site.tell(
            "INSERT INTO payments SELECT (jsonb_populate_record(p, %s)).* FROM payments AS p"
            " WHERE org_id = %s AND state = 'pending' AND key LIKE 'demo:%%' LIMIT 1",
            Jsonb(changes), site.org_id(),
        )  # fmt: skip
        return f"/o/demo/payments/{made}"

    return address


def _decide(button: str) -> Callable[[Page], None]:
    """The review of a payment up to its last step."""

    def then(page: Page) -> None:
        page.get_by_role("textbox", name="Reason").fill("Ticket 4821: the price was edited by hand")
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text("Nothing has changed yet")).to_be_visible()

    return then


def _no_reason(page: Page) -> None:
    page.locator("main form").first.evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Review acceptance").click()
    expect(page.locator("main .error").first).to_be_visible()


def _row(path: str, query: str, *values: str, slug: str = "demo", more: str = "") -> Callable[[Site], str]:
    """The page of the row that the query finds in the organization."""
    return lambda site: f"/o/{slug}/{path}/{site.ask(query, site.org_id(slug), *values)[0][0]}{more}"


def _transaction(type_: str, slug: str = "demo") -> Callable[[Site], str]:
    query = "SELECT id FROM transactions WHERE org_id = %s AND type = %s ORDER BY seq DESC LIMIT 1"
    return _row("transactions", query, type_, slug=slug)


def _usage_event(more: str = "") -> Callable[[Site], str]:
    query = "SELECT id FROM usage_events WHERE org_id = %s AND cost > 0 ORDER BY id DESC LIMIT 1"
    return _row("usage", query, more=more)


def _hold(state: str) -> Callable[[Site], str]:
    return _row("holds", "SELECT id FROM holds WHERE org_id = %s AND state = %s ORDER BY id DESC LIMIT 1", state)


def _entry(action: str) -> Callable[[Site], str]:
    query = "SELECT id FROM audit_entries WHERE org_id = %s AND action = %s ORDER BY id DESC LIMIT 1"
    return _row("audit", query, action)


def _event(state: str, more: str = "") -> Callable[[Site], str]:
    query = "SELECT id FROM inbox_events WHERE state = %s ORDER BY created_at LIMIT 1"
    return lambda site: f"/admin/webhooks/{site.ask(query, state)[0][0]}{more}"


def _org(slug: str, more: str = "") -> Callable[[Site], str]:
    return lambda site: f"/admin/orgs/{site.org_id(slug)}{more}"


def _user(email: str, more: str = "") -> Callable[[Site], str]:
    return lambda site: f"/admin/users/{site.ask('SELECT id FROM users WHERE email = %s', email)[0][0]}{more}"


def _mail(state: str) -> Callable[[Site], str]:
    def address(site: Site) -> str:
        org_id, mail_id = site.ask("SELECT org_id, id FROM outbox_emails WHERE state = %s", state)[0]
        return f"/dev/mail/{org_id}/{mail_id}"

    return address


def _personal(more: str = "") -> Callable[[Site], str]:
    """The viewer's own organization: nothing was bought or charged there."""
    query = (
        "SELECT d.slug FROM org_directory d JOIN organizations o ON o.id = d.org_id"
        " JOIN memberships m ON m.org_id = o.id JOIN users u ON u.id = m.user_id"
        " WHERE o.kind = 'personal' AND u.email = 'viewer@demo.test'"
    )
    return lambda site: f"/o/{site.ask(query)[0][0]}/{more}"


def _press(name: str) -> Callable[[Page], None]:
    def then(page: Page) -> None:
        with page.expect_navigation():
            page.locator("main").get_by_role("button", name=name).first.click()

    return then


def _dialog(link: str) -> Callable[[Page], None]:
    def then(page: Page) -> None:
        page.locator("main").get_by_role("link", name=link).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return then


def _dialog_with_error(page: Page) -> None:
    _dialog("Buy credits")(page)
    page.get_by_role("dialog").get_by_label("Quantity").fill("0")
    page.get_by_role("dialog").get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_role("dialog").get_by_text("Enter a whole number")).to_be_visible()


def _unfold(page: Page) -> None:
    for summary in page.locator("main details > summary").all():
        summary.click()


def _unfold_first(page: Page) -> None:
    page.locator("main details > summary").first.click()


def _wrong_password(page: Page) -> None:
    page.get_by_label("Email").fill("nobody@demo.test")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main [role=alert], main .error").first).to_be_visible()


def _empty_sign_up(page: Page) -> None:
    page.locator("form").first.evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("main .error").first).to_be_visible()


def _review(amount: str, button: str, *, negative: bool = False) -> Callable[[Page], None]:
    def then(page: Page) -> None:
        page.get_by_label("Amount in credits").fill(amount)
        page.get_by_label("Category").select_option(index=1)
        page.get_by_role("textbox", name="Reason").fill("Ticket 4821: the search was slow for an hour")
        if negative:
            page.get_by_role("checkbox").check()
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text("Nothing has changed yet")).to_be_visible()

    return then


def _wrong_grant(page: Page) -> None:
    page.get_by_label("Amount in credits").fill("1e3")
    page.get_by_role("textbox", name="Reason").fill("x")
    page.get_by_role("button", name="Review grant").click()
    expect(page.locator("main .error").first).to_be_visible()


def _stale(page: Page) -> None:
    """A form that was left open until its token was no longer good."""
    page.locator("main form [name=csrf_token]").evaluate("field => field.value = 'old'")
    page.get_by_label("Email").fill("owner@demo.test")
    page.get_by_label("Password").fill("anything")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="This page was open too long")).to_be_visible()


def _open_menu(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Menu").click()


PAYMENTS = ("credited", "failed", "expired", "review", "pending", "unknown")


def _pack(name: str, more: str = "") -> Callable[[Site], str]:
    query = "SELECT id FROM products WHERE name = %s"
    return lambda site: f"/admin/catalog/packs/{site.ask(query, name)[0][0]}{more}"


def _configured(site: Site) -> str:
    """The pack that the settings name is made when the first buyer looks."""
    cookies = {one["name"]: one["value"] for one in site.cookies("owner")}
    requests.get(f"{site.url}/o/demo/buy", cookies=cookies, timeout=10)
    return _pack("Mini")(site)


def _wrong_pack(page: Page) -> None:
    page.get_by_label("Name").fill("Odd pack")
    page.get_by_label("Price in US dollars").fill("1e3")
    page.get_by_role("button", name="Create pack").click()
    expect(page.locator("main .error").first).to_be_visible()


def _dearer(page: Page) -> None:
    page.get_by_label("Price in US dollars").fill("549.90")
    expect(page.get_by_text("Saving makes version 3")).to_be_visible()


def _overtaken(page: Page) -> None:
    """Somebody else saved this pack since the form was opened."""
    page.locator("form [name=revision]").evaluate("field => field.value = '0'")
    page.get_by_label("Price in US dollars").fill("549.90")
    page.get_by_role("button", name="Save pack").click()
    expect(page.get_by_role("heading", name="Someone changed this pack")).to_be_visible()


def _wrong_code(page: Page) -> None:
    page.get_by_label("Promotion code").fill("NEVER")
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.locator("#f-promotion_code-error")).to_be_visible()


OUTSIDE = (
    Case("sign-in", "", "/login"),
    Case("sign-in-refused", "", "/login", _wrong_password),
    Case("sign-up", "", "/signup"),
    Case("sign-up-errors", "", "/signup", _empty_sign_up),
    Case("stale-form", "", "/login", _stale),
    Case("not-found-signed-out", "", "/nowhere"),
    Case("hosted-open", "", _hosted("open")),
    Case("hosted-paid", "", _hosted("paid")),
    Case("hosted-declined", "", _hosted("declined")),
    Case("api-docs", "", "/api/v1/docs"),
    Case("api-calls", "", "/api/v1/docs/transactions"),
    Case("mails", "", "/dev/mail"),
    Case("mail-sent", "", _mail("sent")),
    Case("mail-parked", "", _mail("parked")),
)
ORGANIZATION = (
    Case("cost-management", "owner", "/o/demo/"),
    Case("cost-unfolded", "owner", "/o/demo/?range=90", _unfold),
    Case("cost-menu", "owner", "/o/demo/", _open_menu),
    Case("cost-overdrawn", "admin", "/o/birch-studio/"),
    Case("cost-new", "viewer", _personal()),
    Case("cost-member", "member", "/o/demo/"),
    Case("cost-visited", "manager", "/o/demo/"),
    Case("buy-dialog", "owner", "/o/demo/", _dialog("Buy credits")),
    Case("buy-dialog-error", "owner", "/o/demo/", _dialog_with_error),
    Case("buy", "owner", "/o/demo/buy"),
    Case("buy-wrong-code", "owner", "/o/demo/buy", _wrong_code),
    Case("return-handled", "owner", _payment("credited")),
    Case("return-failed", "owner", _payment("failed")),
    Case("return-expired", "owner", _payment("expired")),
    Case("return-review", "owner", _payment("review")),
    Case("return-waiting", "owner", _payment("pending")),
    Case("return-long-wait", "owner", _payment("pending", "&since=1")),
    Case("return-cancelled", "owner", _payment("pending", "&cancelled=1")),
    Case("return-none", "owner", "/o/demo/buy/return?payment={CHECKOUT_SESSION_ID}"),
    Case("usage", "owner", "/o/demo/usage", _unfold),
    Case("usage-hours", "viewer", "/o/demo/usage?range=1&group=app"),
    Case("usage-weeks", "owner", "/o/demo/usage?range=90&group=key"),
    Case("usage-member", "member", "/o/demo/usage"),
    Case("usage-odd-filter", "owner", "/o/demo/usage?from=2026-12-31&to=2026-01-01"),
    Case("usage-no-match", "owner", "/o/demo/usage?app=nothing-like-this"),
    Case("usage-new", "viewer", _personal("usage")),
    Case("usage-event", "owner", _usage_event()),
    Case("usage-void", "manager", _usage_event("/void")),
    Case("holds", "owner", "/o/demo/holds"),
    Case("holds-member", "member", "/o/demo/holds"),
    Case("holds-no-match", "owner", "/o/demo/holds?app=nothing-like-this"),
    Case("holds-new", "owner", "/o/birch-studio/holds"),
    Case("hold-open", "owner", _hold("open")),
    Case("hold-captured", "viewer", _hold("captured")),
    Case("hold-release", "owner", _hold("open"), _dialog("Release hold")),
    Case("payments", "owner", "/o/demo/payments"),
    Case("payments-viewer", "viewer", "/o/demo/payments"),
    Case("payments-no-match", "owner", "/o/demo/payments?q=nothing-like-this"),
    Case("payments-odd-filter", "owner", "/o/demo/payments?state=abc"),
    Case("payments-new", "viewer", _personal("payments")),
    *(Case(f"payment-{state}", "owner", _story(state)) for state in PAYMENTS),
    Case("payment-created", "owner", _passing("created")),
    Case("payment-paid", "owner", _passing("paid")),
    Case("payment-viewer", "viewer", _story("failed")),
    Case("payment-visited", "manager", _story("review")),
    Case("transactions", "owner", "/o/demo/transactions"),
    Case("transactions-no-match", "owner", "/o/demo/transactions?q=nothing-like-this"),
    Case("transactions-odd-filter", "owner", "/o/demo/transactions?min=abc"),
    Case("transactions-new", "viewer", _personal("transactions")),
    Case("transaction-charge", "owner", _transaction("charge"), _unfold),
    Case("transaction-purchase", "owner", _transaction("purchase")),
    Case("transaction-grant", "owner", _transaction("admin_grant")),
    Case("transaction-removal", "admin", _transaction("admin_removal", "birch-studio")),
    Case("limits", "owner", "/o/demo/limits", _unfold),
    Case("limits-none", "owner", _personal("limits")),
    Case("limits-member", "member", "/o/demo/limits"),
    Case("limits-viewer", "viewer", "/o/demo/limits"),
    Case("limit-dialog", "owner", "/o/demo/limits", _dialog("Create limit")),
    Case("limit-new", "admin", "/o/demo/limits/new"),
    Case("limit-change", "owner", "/o/demo/limits", _dialog("Change")),
    Case("limit-remove", "owner", "/o/demo/limits", _dialog("Remove")),
    Case("keys-none", "viewer", _personal("keys")),
    Case("key-dialog", "owner", "/o/demo/keys", _dialog("Create key")),
    Case("audit", "viewer", "/o/demo/audit", _unfold_first),
    Case("audit-entry", "owner", _entry("credits.granted")),
    Case("forbidden", "viewer", "/o/demo/buy"),
    Case("not-found", "owner", "/o/demo/transactions/00000000-0000-7000-8000-000000000000"),
    Case("no-such-organization", "owner", "/o/nope/"),
)
PLATFORM = (
    Case("platform", "manager", "/admin/"),
    Case("platform-books", "manager", "/admin/", _press("Check the books")),
    Case("platform-organizations", "manager", "/admin/orgs"),
    Case("platform-organizations-no-match", "manager", "/admin/orgs?q=nothing-like-this"),
    Case("platform-organization", "manager", _org("demo")),
    Case("platform-organization-overdrawn", "manager", _org("birch-studio")),
    Case("platform-grant", "manager", _org("demo", "/grant")),
    Case("platform-grant-errors", "manager", _org("demo", "/grant"), _wrong_grant),
    Case("platform-grant-review", "manager", _org("demo", "/grant"), _review("25", "Review grant")),
    Case("platform-remove", "manager", _org("demo", "/remove")),
    Case(
        "platform-remove-review", "manager", _org("demo", "/remove"), _review("9999", "Review removal", negative=True)
    ),
    Case("platform-users", "manager", "/admin/users"),
    Case("platform-user", "manager", _user("owner@demo.test")),
    Case("platform-user-grant", "manager", _user("owner@demo.test", "/grant")),
    Case("platform-payments", "manager", "/admin/payments"),
    Case("platform-payments-no-match", "manager", "/admin/payments?q=nothing-like-this"),
    Case("platform-payment", "manager", _story("credited", "/admin/payments")),
    Case("platform-payment-failed", "manager", _story("failed", "/admin/payments")),
    Case("platform-payment-review", "manager", _story("review", "/admin/payments")),
    Case("platform-accept", "manager", _story("review", "/admin/payments", "/accept")),
    Case("platform-accept-errors", "manager", _story("review", "/admin/payments", "/accept"), _no_reason),
    Case("platform-accept-review", "manager", _story("review", "/admin/payments", "/accept"), _decide("Review acc")),
    Case("platform-reject-review", "manager", _story("review", "/admin/payments", "/reject"), _decide("Review rej")),
    Case("platform-packs", "manager", "/admin/catalog/packs"),
    Case("platform-packs-archived", "manager", "/admin/catalog/packs?state=archived"),
    Case("platform-pack", "manager", _pack("Scale")),
    Case("platform-pack-archived", "manager", _pack("Early bird")),
    Case("platform-pack-configured", "manager", _configured),
    Case("platform-pack-new", "manager", "/admin/catalog/packs/new"),
    Case("platform-pack-errors", "manager", "/admin/catalog/packs/new", _wrong_pack),
    Case("platform-pack-change", "manager", _pack("Scale", "/edit"), _dearer),
    Case("platform-pack-overtaken", "manager", _pack("Scale", "/edit"), _overtaken),
    Case("platform-webhooks", "manager", "/admin/webhooks"),
    Case("platform-webhooks-no-match", "manager", "/admin/webhooks?event=evt_none"),
    Case("platform-event", "manager", _event("processed")),
    Case("platform-event-parked", "manager", _event("parked")),
    Case("platform-event-ignored", "manager", _event("ignored")),
    Case("platform-event-retry", "manager", _event("parked", "/retry")),
    Case("platform-event-dialog", "manager", _event("parked"), _dialog("Retry")),
    Case("platform-event-ignore", "manager", _event("parked", "/ignore")),
    Case("platform-audit", "manager", "/admin/audit"),
    Case("platform-system", "manager", "/admin/system"),
    Case("platform-mail", "manager", "/admin/mail"),
    Case("platform-forbidden", "owner", "/admin/"),
    Case("platform-not-found", "manager", "/admin/orgs/00000000-0000-7000-8000-000000000000"),
)
ALL = OUTSIDE + ORGANIZATION + PLATFORM
