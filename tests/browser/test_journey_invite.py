"""Two browsers, owner and invited person, and a mail server between them."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import site as sites
from tests.browser.buying import titled
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site
from tests.mailbox import Mailbox, mailbox
from tests.scenarios.processes import wait_until
from tests.servers import Servers


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with mailbox() as made:
        yield made


@pytest.fixture(scope="module")
def post_site(
    _servers: Servers, demo_url: str, box: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    smtp = {"COFFER_SMTP__URL": box.url, "COFFER_SMTP__FROM": "Coffer <billing@coffer.test>"}
    folder = tmp_path_factory.mktemp("post")
    with sites.running(_servers, "browserpost", demo_url, folder, COFFER_PAYMENT__PROVIDER="dummy", **smtp) as made:
        yield made


def letters(box: Mailbox, to: str) -> list[EmailMessage]:
    return [letter for letter in box.letters if letter["To"] == to]


def newest_link(box: Mailbox, site: Site, to: str, number: int = 1) -> str:
    """The path in the `number`th mail to that address."""
    wait_until(lambda: len(letters(box, to)) >= number, f"mail {number} to {to}")
    letter = letters(box, to)[number - 1]
    assert letter["Subject"] == "Mara Lindqvist invites you to Northwind Labs"
    found = []
    for kind in ("plain", "html"):
        body = letter.get_body((kind,))
        assert body
        found.append(re.findall(rf"{re.escape(site.url)}/invite/[\w-]+", body.get_content()))
    assert len(set(found[0] + found[1])) == 1
    return urlsplit(found[0][0]).path


def invite(owner: Page, addresses: str, role: str) -> None:
    owner.goto("/o/demo/members")
    owner.get_by_role("link", name="Invite people").click()
    titled(owner, "Invite people")
    owner.get_by_label("Email addresses").fill(addresses)
    owner.get_by_role("radio", name=re.compile(f"^{role}")).check()
    owner.get_by_role("button", name="Send invites").click()


def row(owner: Page, email: str) -> Locator:
    return owner.get_by_role("row").filter(has_text=email)


def test_a_new_person_joins_by_the_mail(post_site: Site, box: Mailbox, visit: Visit) -> None:
    owner, guest = visit(post_site, "owner"), visit(post_site)
    email = "nora.new@demo.test"
    invite(owner, email, "Viewer")
    expect(row(owner, email)).to_contain_text("Pending")

    guest.goto(newest_link(box, post_site, email))
    titled(guest, "Join Northwind Labs")
    expect(guest.locator("main")).to_contain_text("Mara Lindqvist invites you to Northwind Labs")
    expect(guest.locator("main")).to_contain_text("change or spend anything")
    guest.get_by_label("Name").fill("Nora New")
    guest.get_by_label("Password").fill("a long enough password")
    guest.get_by_role("button", name="Create account and join").click()
    titled(guest, "Cost management")
    expect(guest.locator("#toasts")).to_contain_text("You joined Northwind Labs as viewer.")
    expect(guest.locator(".side")).to_contain_text("Northwind Labs")
    guest.goto("/o/demo/keys/new")
    expect(guest.get_by_role("checkbox", name=re.compile("wallet:charge"))).to_have_count(0)

    owner.reload()
    expect(row(owner, email)).to_have_count(1)
    expect(row(owner, email)).to_contain_text("Nora New")
    expect(row(owner, email)).to_contain_text("Viewer")
    owner.goto("/o/demo/audit")
    expect(owner.locator("main")).to_contain_text("Nora New accepted the invite")


def test_the_wrong_account_switches_without_a_script(post_site: Site, box: Mailbox, visit: Visit) -> None:
    email = "peter@elsewhere.test"
    post_site.command("users", "create", "--email", email, "--password", PASSWORD)
    owner, guest = visit(post_site, "owner"), visit(post_site, "member", java_script_enabled=False)
    invite(owner, f"{email} not-an-address", "Admin")
    expect(owner.get_by_role("heading", name="1 of 2 sent")).to_be_visible()
    expect(owner.get_by_label("Email addresses")).to_have_value("not-an-address")
    old = newest_link(box, post_site, email)
    owner.goto("/o/demo/members")
    owner.get_by_role("button", name=f"Resend the invite for {email}").click()
    expect(owner.locator("#toasts")).to_contain_text("The old link no longer works.")

    guest.goto(old)
    titled(guest, "This invite link does not work")
    link = newest_link(box, post_site, email, 2)
    guest.goto(link)
    expect(guest.locator("main")).to_contain_text("You are signed in as member@demo.test")
    guest.get_by_role("button", name="Switch account").click()
    titled(guest, "Sign in")
    guest.get_by_label("Email").fill(email)
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Sign in").click()
    titled(guest, "Join Northwind Labs")
    guest.get_by_role("button", name="Accept invite").click()
    titled(guest, "Cost management")
    guest.goto(link)
    titled(guest, "This invite was used already")
    guest.get_by_role("link", name="Open Northwind Labs").click()
    titled(guest, "Cost management")
    for secret in (old.partition("_")[2], link.partition("_")[2]):
        assert secret not in post_site.stack.logs()
