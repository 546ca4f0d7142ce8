"""The only list of scheduled tasks. Each line asks PostgreSQL what is due and names the job that processes it."""

from collections.abc import Callable, Iterable

from dashboard.config import settings
from dashboard.core import clock
from dashboard.domain.catalog import products
from dashboard.domain.catalog import sync as prices
from dashboard.domain.funds import expiry, seals
from dashboard.domain.funds.credit_grants import notices
from dashboard.domain.funds.holds import ending
from dashboard.domain.funds.seals import checkpoints
from dashboard.domain.messages import outbox
from dashboard.domain.organizations import follow_ups
from dashboard.domain.payments import sweep
from dashboard.domain.payments.webhooks import inbox
from dashboard.domain.platform import figures
from dashboard.domain.usage.charging import waiting
from dashboard.jobs import platform_provider
from dashboard.providers.dummy import DummyProvider

Due = Callable[[], Iterable[str]]
ScheduledTask = tuple[Due, str]


def _inboxes() -> Iterable[str]:
    return (str(org_id) for org_id in inbox.due())


def _payments() -> Iterable[str]:
    return (str(org_id) for org_id in sweep.due())


def _prices() -> Iterable[str]:
    return (str(catalog_id) for catalog_id in prices.due(platform_provider()))


def _outboxes() -> Iterable[str]:
    return (str(org_id) for org_id in outbox.due())


def _follow_ups() -> Iterable[str]:
    return (str(user_id) for user_id in follow_ups.due())


def _dummy_events() -> Iterable[str]:
    provider = platform_provider()
    return provider.undelivered() if isinstance(provider, DummyProvider) else ()


def _lapsed() -> Iterable[str]:
    return (str(org_id) for org_id in expiry.due())


def _held() -> Iterable[str]:
    return (str(org_id) for org_id in ending.due())


def _parked() -> Iterable[str]:
    return (str(org_id) for org_id in waiting.due())


def _expiring() -> Iterable[str]:
    """Once an hour, as purges. What an hour misses, the next one writes."""
    return (str(org_id) for org_id in notices.due()) if _first_of_hour() else ()


def _unsealed() -> Iterable[str]:
    return (str(org_id) for org_id in seals.due())


def _checkpoints() -> Iterable[str]:
    midnight = checkpoints.due()
    return (midnight.isoformat(),) if midnight else ()


def _purges() -> Iterable[str]:
    """Once an hour, by the first tick of the hour. Running it again does no harm."""
    return ("expired",) if _first_of_hour() else ()


def _first_of_hour() -> bool:
    now = clock.now()
    return now.minute * 60 + now.second < max(60, settings().jobs.tick_seconds)


SCHEDULE: list[ScheduledTask] = [
    (_inboxes, inbox.DRAIN),  # events whose job was lost, whose worker died, or whose pause is over
    (_payments, sweep.DRAIN),  # payments that are not settled: ask the provider, whatever webhooks said
    (_lapsed, expiry.DRAIN),  # credit that expired in wallets that nobody charged
    (_held, ending.DRAIN),  # holds that expired in wallets that nobody charged
    (_parked, waiting.DRAIN),  # usage that was recorded before its metric had a price
    (_expiring, notices.JOB),  # notices of credit that expires in 30, 7 or 1 days
    (_unsealed, "dashboard.jobs.seals.seal"),  # ledger rows that can still be changed without detection
    (_checkpoints, "dashboard.jobs.seals.record_head"),  # once a day, a checkpoint of the seals
    (_prices, products.SYNC),  # the provider's prices: create, archive, and compare each with ours once an hour
    (_outboxes, outbox.DRAIN),  # emails whose job was lost, whose worker died, or whose pause is over
    (_follow_ups, follow_ups.JOB),  # users whose keys or teams a killed process did not reach
    (figures.due, "dashboard.jobs.figures.count"),  # totals over all wallets, for the platform's overview
    (_purges, "dashboard.jobs.purge.purge"),  # sessions and counters that have expired
    (_dummy_events, "dashboard.jobs.dummy.deliver"),  # the dummy provider retries its events, as Stripe does
]
