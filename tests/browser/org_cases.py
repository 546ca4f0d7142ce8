"""The pages on which organizations, their members and their settings change."""

from collections.abc import Callable

from tests.browser.cases import Case, _dialog
from tests.browser.site import Site


def _member(email: str, act: str) -> Callable[[Site], str]:
    def address(site: Site) -> str:
        query = (
            "SELECT m.id FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org_id = %s AND u.email = %s"
            " AND m.removed_at IS NULL"
        )
        return f"/o/demo/members/{site.ask(query, site.org_id(), email)[0][0]}/{act}"

    return address


def _keys_to_confirm(site: Site) -> str:
    """The list as it is while an owner's key waits."""
    site.tell("UPDATE org_directory SET external_key = 'crm-4821' WHERE slug = 'birch-studio'")
    return "/admin/external-keys"


ALL = (
    Case("organizations", "owner", "/orgs"),
    Case("member-role", "owner", _member("admin@demo.test", "role")),
    Case("member-transfer", "owner", _member("admin@demo.test", "transfer")),
    Case("organization-settings", "owner", "/o/demo/settings"),
    Case("organization-suspend", "manager", lambda site: f"/admin/orgs/{site.org_id()}", _dialog("Suspend")),
    Case("external-keys", "manager", _keys_to_confirm),
    Case("external-key", "manager", lambda site: f"/admin/orgs/{site.org_id('birch-studio')}/external-key"),
    Case("external-key-of-organization", "manager", lambda site: f"/admin/orgs/{site.org_id('birch-studio')}"),
)
