"""Rate limits for promotion codes and payment pages, per organization and per user.

Each attempt is a call to the one provider account that all organizations share, which has its own limit.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db, transaction
from dashboard.core.errors import TooManyRequests
from dashboard.domain import audit, rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.rate_limits import Try
from dashboard.models import ApiKey
from dashboard.providers.base import PromotionRefused

CODES = "Too many promotion codes were tried. Nothing was charged. Buy without a code, or wait."
PAGES = "Too many payment pages were opened within a minute. Nothing was charged."

log = logging.getLogger(__name__)


class TooManyCodes(TooManyRequests):
    code = "too_many_promotion_codes"


class TooManyPages(TooManyRequests):
    code = "too_many_checkouts"


def take_page(org_id: UUID, by: Actor) -> None:
    """Count one payment page, for the organization and for the user in all organizations. The first rejected one of an
    hour is recorded in the organization's audit log.

    Opens its own transactions. Raises TooManyPages.
    """
    person = _person(org_id, by)
    own: list[Try] = [(rate_limits.CHECKOUT_PERSON, (str(person),))] if person else []
    try:
        rate_limits.require((rate_limits.CHECKOUT_ORG, (str(org_id),)), *own)
    except TooManyRequests as refusal:
        log.warning("too many checkouts", extra={"org": str(org_id), "actor": str(by.id)})
        with transaction(org=org_id):
            if rate_limits.exceeded(rate_limits.CHECKOUT_NOTED, str(org_id)) is None:
                audit.record(audit.Ref("organization", org_id), "checkouts.limited", by=by, org=org_id)
        raise TooManyPages(PAGES, retry_after=refusal.retry_after) from None


@contextmanager
def one_code(org_id: UUID, by: Actor) -> Iterator[None]:
    """Look up a promotion code inside the block. Counted before the lookup, and given back unless the code is rejected,
    which is recorded in the organization's audit log.

    Opens its own transactions around the block. Raises TooManyCodes.
    """
    tried = _tries(org_id, by)
    try:
        rate_limits.require(*tried)
    except TooManyRequests as refusal:
        log.warning("too many promotion codes", extra={"org": str(org_id), "actor": str(by.id)})
        raise TooManyCodes(CODES, retry_after=refusal.retry_after) from None
    try:
        yield
    except PromotionRefused:
        log.warning("promotion code refused", extra={"org": str(org_id), "actor": str(by.id)})
        with transaction(org=org_id):
            audit.record(audit.Ref("organization", org_id), "promotion.refused", by=by, org=org_id)
        raise
    except Exception:
        _give_back(tried)
        raise
    _give_back(tried)


def _give_back(tried: list[Try]) -> None:
    with transaction():
        for limit, subject in tried:
            rate_limits.give_back(limit, *subject)


def _tries(org_id: UUID, by: Actor) -> list[Try]:
    """For the organization, and for the user in all organizations, including the keys that this user created."""
    subjects = [("org", str(org_id))]
    if person := _person(org_id, by):
        subjects.append(("person", str(person)))
    return [(limit, subject) for limit in (rate_limits.PROMOTION, rate_limits.PROMOTION_DAY) for subject in subjects]


def _person(org_id: UUID, by: Actor) -> UUID | None:
    """The user, or the one who created the key; None for a key that a command created."""
    if by.kind != "key":
        return by.id
    return db.session.scalar(select(ApiKey.created_by).filter_by(org_id=org_id, id=by.id))
