"""The pages of invites."""

import re

import requests
from playwright.sync_api import Page, expect

from tests.browser.cases import Case
from tests.browser.site import Site

INVITED = "sofia.marin@demo.test"


def link(site: Site, email: str = INVITED) -> str:
    """The link in the newest mail of an invite, as its reader gets it."""
    query = "SELECT org_id, id FROM outbox_emails WHERE to_address = %s ORDER BY id DESC LIMIT 1"
    org_id, mail_id = site.ask(query, email)[0]
    found = re.search(r"/invite/[\w-]+", requests.get(f"{site.url}/dev/mail/{org_id}/{mail_id}", timeout=10).text)
    assert found
    return found[0]


def expired(site: Site) -> str:
    return link(site, "lena.fischer@demo.test")


def mail(site: Site) -> str:
    query = "SELECT org_id, id FROM outbox_emails WHERE to_address = %s ORDER BY id DESC LIMIT 1"
    org_id, mail_id = site.ask(query, INVITED)[0]
    return f"/dev/mail/{org_id}/{mail_id}"


def _in_vain(page: Page) -> None:
    page.get_by_label("Email addresses").fill(f"{INVITED}, viewer@demo.test\nno-address")
    page.get_by_role("radio", name="Viewer").check()
    page.get_by_role("button", name="Send invites").click()
    expect(page.get_by_role("heading", name="0 of 3 sent")).to_be_visible()


ALL = (
    Case("members", "owner", "/o/demo/members"),
    Case("invite-answers", "owner", "/o/demo/invites/new", _in_vain),
    Case("invite-link", "", link),
    Case("invite-for-another", "viewer", link),
    Case("organizations-invited", "viewer", "/orgs"),
    Case("invitemail", "", mail),
    Case("invite-expired", "", expired),
)
