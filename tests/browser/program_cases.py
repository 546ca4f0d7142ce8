"""The pages of keys and tokens in every state that looks different."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.cases import Case
from tests.browser.site import Site


def _key(name: str, more: str = "") -> Callable[[Site], str]:
    def address(site: Site) -> str:
        query = "SELECT id FROM api_keys WHERE org_id = %s AND name = %s"
        return f"/o/demo/keys/{site.ask(query, site.org_id(), name)[0][0]}{more}"

    return address


def _service_key(more: str = "") -> Callable[[Site], str]:
    def address(site: Site) -> str:
        return f"/admin/service-keys/{site.ask('SELECT min(id::text) FROM api_keys WHERE service')[0][0]}{more}"

    return address


def _new_service_key(page: Page) -> None:
    page.get_by_label("Name").fill("Production backend")
    for scope in ("wallet:charge", "wallet:deposit", "wallet:read", "orgs:write"):
        page.locator(f"input[value='{scope}']").check()
    page.get_by_label("Spending cap in credits").fill("5000")
    page.get_by_role("textbox", name="Reason").fill("Bills all customers from the new backend")
    page.get_by_role("button", name="Create service key").click()
    expect(page.get_by_role("heading", name="Copy the key now")).to_be_visible()


def _no_name(page: Page) -> None:
    page.locator("main form").first.evaluate("form => form.noValidate = true")
    page.locator("input[value='wallet:read']").check()
    page.get_by_role("textbox", name="Reason").fill("No name is given")
    page.get_by_role("button", name="Create service key").click()
    expect(page.locator("main .error").first).to_be_visible()


def _new(what: str) -> Callable[[Page], None]:
    def then(page: Page) -> None:
        page.get_by_label("Name").fill("Nightly report")
        page.get_by_role("radio").first.check()
        page.get_by_role("button", name=f"Create {what}").click()
        expect(page.get_by_role("heading", name=f"Copy the {what} now")).to_be_visible()

    return then


def _provider(page: Page) -> None:
    page.get_by_label("Issuer").fill("https://login.northwind.example/")
    page.get_by_label("Address of the key set").fill("https://login.invalid/.well-known/jwks.json")
    page.get_by_role("button", name="Save identity provider").click()
    expect(page.get_by_text("Its name does not lead to a public address").first).to_be_visible()
    page.get_by_role("status").get_by_role("button").click()


ALL = (
    Case("keys", "owner", "/o/demo/keys"),
    Case("key-new", "owner", "/o/demo/keys/new"),
    Case("key-shown-once", "owner", "/o/demo/keys/new", _new("key")),
    Case("key", "owner", _key("Production")),
    Case("key-rotate", "owner", _key("Production", "/rotate")),
    Case("key-cap", "admin", _key("Production", "/cap")),
    Case("key-operator", "manager", _key("Production", "/operator-scopes")),
    Case("key-calls", "manager", _key("Production", "/call-limit")),
    Case("key-revoked", "owner", _key("Old server")),
    Case("key-revoke", "owner", _key("Trial", "/revoke")),
    Case("service-keys-none", "manager", "/admin/service-keys"),
    Case("service-key-new", "manager", "/admin/service-keys/new"),
    Case("service-key-errors", "manager", "/admin/service-keys/new", _no_name),
    Case("service-key-shown-once", "manager", "/admin/service-keys/new", _new_service_key),
    Case("service-keys", "manager", "/admin/service-keys"),
    Case("service-key", "manager", _service_key()),
    Case("service-key-rotate", "manager", _service_key("/rotate")),
    Case("service-key-cap", "manager", _service_key("/cap")),
    Case("service-key-calls", "manager", _service_key("/calls")),
    Case("service-key-revoke", "manager", _service_key("/revoke")),
    Case("tokens-none", "owner", "/account/tokens"),
    Case("token-shown-once", "manager", "/account/tokens/new", _new("token")),
    Case("tokens", "manager", "/account/tokens"),
    Case("identity-none", "owner", "/o/demo/settings/identity"),
    Case("identity", "owner", "/o/demo/settings/identity", _provider),
)
