"""The pages of credit grants."""

from tests.browser.cases import Case, _personal
from tests.browser.site import Site


def _grant(site: Site) -> str:
    """The credit grant that paid most."""
    query = "SELECT id FROM credit_grants WHERE org_id = %s ORDER BY amount - remaining DESC, id LIMIT 1"
    return f"/o/demo/grants/{site.ask(query, site.org_id())[0][0]}"


ALL = (
    Case("credits", "owner", "/o/demo/grants"),
    Case("credits-member", "member", "/o/demo/grants"),
    Case("credits-odd-filter", "owner", "/o/demo/grants?state=abc"),
    Case("credits-new", "viewer", _personal("grants")),
    Case("credit-grant", "owner", _grant),
)
