"""The one list of what recurs. Each line asks PostgreSQL what is due and names the job that drains it."""

from collections.abc import Callable, Iterable

from dashboard.config import settings
from dashboard.core import clock
from dashboard.domain.catalog import products
from dashboard.domain.catalog import sync as prices
from dashboard.domain.funds import expiry, seals
from dashboard.domain.funds.seals import heads
from dashboard.domain.identity import follow_ups
from dashboard.domain.messages import outbox
from dashboard.domain.payments import inbox, sweep
from dashboard.domain.platform import figures
from dashboard.jobs import platform_provider
from dashboard.providers.dummy import DummyProvider

Due = Callable[[], Iterable[str]]
Line = tuple[Due, str]


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


def _unsealed() -> Iterable[str]:
    return (str(org_id) for org_id in seals.due())


def _heads() -> Iterable[str]:
    midnight = heads.due()
    return (midnight.isoformat(),) if midnight else ()


def _purges() -> Iterable[str]:
    """Once an hour: a tick at its beginning rings, and ringing again does no harm."""
    now = clock.now()
    return ("expired",) if now.minute * 60 + now.second < max(60, settings().jobs.tick_seconds) else ()


DUTIES: list[Line] = [
    (_inboxes, inbox.DRAIN),  # events whose bell was lost, whose worker died, or whose pause is over
    (_payments, sweep.DRAIN),  # payments that are not settled: the provider is asked, whatever was told
    (_lapsed, expiry.DRAIN),  # credit whose date came while nobody charged
    (_unsealed, "dashboard.jobs.seals.seal"),  # ledger rows that can still be changed without a trace
    (_heads, "dashboard.jobs.seals.record_head"),  # once a day, where the chains of seals end
    (_prices, products.SYNC),  # the provider's prices: made, archived, and each compared with ours once an hour
    (_outboxes, outbox.DRAIN),  # mails whose bell was lost, whose worker died, or whose pause is over
    (_follow_ups, follow_ups.JOB),  # people whose keys or teams a killed process did not come to
    (figures.due, "dashboard.jobs.figures.count"),  # what all wallets hold, for the platform's first page
    (_purges, "dashboard.jobs.purge.purge"),  # sessions and counters that have run out
    (_dummy_events, "dashboard.jobs.dummy.deliver"),  # the dummy provider keeps trying, as Stripe does
]
