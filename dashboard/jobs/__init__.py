"""Background jobs. A worker runs only these functions, whatever a message in Redis names."""

from dashboard.providers import client, platform_account
from dashboard.providers.base import Provider

JOBS = frozenset(
    {
        "dashboard.jobs.catalog.sync",
        "dashboard.jobs.dummy.deliver",
        "dashboard.jobs.expiry.drain",
        "dashboard.jobs.expiry.notify",
        "dashboard.jobs.figures.count",
        "dashboard.jobs.holds.drain",
        "dashboard.jobs.inbox.drain",
        "dashboard.jobs.outbox.drain",
        "dashboard.jobs.payments.check",
        "dashboard.jobs.payments.sweep",
        "dashboard.jobs.people.follow_up",
        "dashboard.jobs.purge.purge",
        "dashboard.jobs.seals.record_head",
        "dashboard.jobs.seals.seal",
        "dashboard.jobs.tick.tick",
        "dashboard.jobs.usage.charge_parked",
    }
)


def platform_provider() -> Provider:
    """Of the platform's own account, on which all jobs work."""
    return client(platform_account())
