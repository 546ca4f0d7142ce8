"""Promotion codes: looked up at the provider, within the limits of `budgets`."""

import re
from datetime import datetime, timedelta
from uuid import UUID

from dashboard.core import clock
from dashboard.core.errors import Invalid
from dashboard.domain.audit import Actor
from dashboard.domain.payments.checkout import budgets
from dashboard.providers.base import Promotion, PromotionRefused, Provider, ProviderError

KEPT = timedelta(minutes=1)
MOST_KEPT = 1_000

_CODE = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_kept: dict[tuple[UUID, str, str], tuple[datetime, Promotion | None]] = {}
"""What was previewed lately, so that choosing another pack does not use up the limit."""


class PromotionInvalid(Invalid):
    """The promotion code cannot be used here. Nothing was opened; a new attempt needs a new key."""

    code = "promotion_code_invalid"


def find(org_id: UUID, by: Actor, provider: Provider, code: str) -> Promotion:
    """Opens its own transactions. Raises PromotionInvalid, TooManyCodes and the provider's other errors."""
    if not _CODE.fullmatch(code):
        raise PromotionInvalid("A code has letters, digits and dashes only.", field="promotion_code")
    try:
        with budgets.one_code(org_id, by):
            return provider.find_promotion(code)
    except PromotionRefused as error:
        raise PromotionInvalid(error.detail, field="promotion_code") from None


def preview(org_id: UUID, by: Actor, provider: Provider, code: str) -> Promotion:
    """The same for a page that shows the price; what it found is kept for a minute. If the provider does not answer, a
    promotion with an unknown discount. Raises PromotionInvalid, TooManyCodes."""
    now, key = clock.now(), (org_id, provider.mode, code.upper())
    until, found = _kept.get(key, (now, None))
    if until <= now:
        try:
            with provider.flow():
                found = find(org_id, by, provider, code)
        except PromotionInvalid:
            found = None
        except ProviderError:
            return Promotion("")
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[key] = (now + KEPT, found)
    if found is None:
        raise PromotionInvalid("This code is unknown, has expired or was used up.", field="promotion_code")
    return found
