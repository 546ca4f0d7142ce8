"""Goal 9, of the way in: the lists of payments, webhooks and the audit log, the overview and the system page must
not grow.

They list over all organizations, so that few rows and many stand in a database and a server each.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from bench import books, money_in
from bench.browser import Browser, compare, signed_in
from bench.gunicorn_site import serving
from bench.report import Report
from bench.servers import Cluster, Database
from bench.size import SMALLEST, Size
from dashboard.models import PLATFORM_ORG_ID

NUMBER, BYSTANDERS = 1, 100
OF_ORG = {
    "payments": "/o/bench-1/payments",
    "payments_by_state": "/o/bench-1/payments?state=failed",
    "payments_by_word": "/o/bench-1/payments?q=nothing-like-this",
    "audit": "/o/bench-1/audit",
    "audit_by_group": "/o/bench-1/audit?group=keys",
    "audit_by_object": "/o/bench-1/audit?object=nothing-like-this",
}
OF_PLATFORM = {
    "admin_overview": "/admin/",
    "admin_system": "/admin/system",
    "admin_payments": "/admin/payments",
    "admin_payments_in_review": "/admin/payments?state=review",
    "admin_payment_by_id": "/admin/payments?q=dummy_cs_77",
    "admin_webhooks": "/admin/webhooks",
    "admin_webhooks_by_state": "/admin/webhooks?state=ignored",
    "admin_webhooks_by_type": "/admin/webhooks?type=nothing-like-this",
    "admin_webhooks_of_org": f"/admin/webhooks?org={books.org_id(NUMBER)}",
    "admin_webhook_by_id": "/admin/webhooks?event=evt_77",
    "admin_mail": "/admin/mail",
    "admin_audit": "/admin/audit",
    "admin_audit_by_group": "/admin/audit?group=keys",
    "admin_audit_of_org": f"/admin/audit?org={books.org_id(NUMBER)}",
}


def measure(cluster: Cluster, size: Size, report: Report) -> None:
    with _site(cluster, "few", SMALLEST) as few, _site(cluster, "many", size.largest) as many:
        found = {
            name: compare((few[side], path), (many[side], path))
            for side, paths in enumerate((OF_ORG, OF_PLATFORM))
            for name, path in paths.items()
        }
        checked = books.check(many[2], events=size.largest)
    for name, (small, large) in found.items():
        report.ratio(9, f"list_{name}_growth", large, small, against=f"{SMALLEST:,} rows of each kind", target=2,
                     checked=checked, unit="ms", most=True)  # fmt: skip


@contextmanager
def _site(cluster: Cluster, name: str, rows: int) -> Iterator[tuple[Browser, Browser, Database]]:
    """An owner's browser and a manager's, on a site with so many rows."""
    with cluster.database(name) as database:
        books.add_orgs(database, BYSTANDERS)
        money_in.add(database, NUMBER, rows, platform=PLATFORM_ORG_ID)
        owner, manager = signed_in(database, (NUMBER,)), signed_in(database, (), manager=True)
        with serving(database) as site:
            yield Browser(site.port, owner), Browser(site.port, manager), database
