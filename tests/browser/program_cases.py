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


def _new(what: str) -> Callable[[Page], None]:
    def then(page: Page) -> None:
        page.get_by_label("Name").fill("Nightly report")
        page.get_by_role("checkbox").first.check()
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
    Case("key-revoked", "owner", _key("Old server")),
    Case("key-revoke", "owner", _key("Trial", "/revoke")),
    Case("tokens-none", "owner", "/account/tokens"),
    Case("token-shown-once", "manager", "/account/tokens/new", _new("token")),
    Case("tokens", "manager", "/account/tokens"),
    Case("identity-none", "owner", "/o/demo/settings/identity"),
    Case("identity", "owner", "/o/demo/settings/identity", _provider),
)
