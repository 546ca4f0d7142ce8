"""Checkout: creates our payment row first, then the provider's hosted page."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.core import clock, ids
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Conflict, Invalid, Unavailable
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.catalog import sync
from dashboard.domain.catalog.products import Offer
from dashboard.domain.catalog.terms import LARGEST_PAYMENT_MINOR
from dashboard.domain.funds.ledger import KeyReused
from dashboard.domain.payments import declines, states
from dashboard.domain.payments.checkout import budgets, hosted_page, promotions
from dashboard.domain.payments.checkout.promotions import PromotionInvalid
from dashboard.models import Organization, Payment
from dashboard.providers.base import (
    PromotionRefused,
    Provider,
    ProviderBusy,
    ProviderRefused,
    ProviderUnavailable,
)

MAX_QUANTITY = 100
FIRST_TRY = timedelta(seconds=12)
"""By then, the process that created the payment has an answer or has died."""

WAIT_POLLS, WAIT_POLL_SECONDS = 20, 0.1
"""How long a repeated request waits for the first one: only seconds, because it blocks a thread."""

FIRST_CHECK = timedelta(minutes=1)
"""When the sweep first checks a payment whose page is open, or about which nothing is known."""

ABANDONED = timedelta(minutes=2)
"""By then, every call to a provider has ended, so the process that created the payment has died."""

OWN_ACCOUNT = (
    "This organization sells its own packs. Buying them needs a payment account of its own, which cannot be connected "
    "yet. Nothing was charged."
)
AWAY = "The payment page is not available. Nothing was charged. Try again."
CROWDED = "The payment provider is slow now, and others wait for it. Nothing was charged. Try again in a few seconds."
OPENING = "The payment page is still being opened. Nothing was charged. Try again in a few seconds."

log = logging.getLogger(__name__)


class ProviderAway(Unavailable):
    code = "provider_unavailable"


class ProviderCrowded(ProviderAway):
    """No call was made: others already wait for the provider, or for this payment's page. The key stays valid."""

    code = "provider_busy"


class CheckoutRefused(Conflict):
    code = "checkout_refused"


class OwnAccountMissing(CheckoutRefused):
    """A self-funded organization sells on its own behalf: the platform's account takes no money for it."""

    code = "own_account_missing"


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays: the organization, and the user or key that asked."""

    org: Organization
    actor: Actor
    email: str | None


def open_checkout(
    buyer: Buyer,
    offer: Offer,
    *,
    provider: Provider,
    quantity: int,
    success_url: str,
    cancel_url: str,
    key: str,
    body_hash: bytes,
    promotion_code: str = "",
) -> Payment:
    """Create a payment with the hosted page to which to redirect the payer (`session_url`).

    Once per (organization, mode, `key`): a repeated call returns the same payment, and finishes an interrupted one with
    the same provider key, so that one form never opens two sessions. `{payment_id}` in the URLs becomes the payment's
    id. Opens its own transactions before and after the provider's calls. Call it outside a transaction. Raises Invalid
    (PromotionInvalid, NotAvailable), KeyReused, ProviderAway (no answer; safe to repeat), ProviderCrowded (no call
    made; safe to repeat), TooManyCodes, TooManyPages and CheckoutRefused (a definite rejection; OwnAccountMissing for a
    self-funded organization).
    """
    payment = _known(buyer.org.id, provider.mode, key, body_hash)
    if payment is not None and _opened(payment):
        return payment
    budgets.take_page(buyer.org.id, buyer.actor)
    try:
        with provider.flow():
            urls = (success_url, cancel_url)
            payment = _intent(buyer, offer, provider, quantity, urls, key, body_hash, promotion_code)
            return payment if _opened(payment) else _open(buyer, offer, provider, payment)
    except ProviderUnavailable as error:
        raise _away(error) from None


def _open(buyer: Buyer, offer: Offer, provider: Provider, payment: Payment) -> Payment:
    """Request the page, and store the result. Raises ProviderUnavailable, PromotionInvalid, CheckoutRefused."""
    org_id = buyer.org.id
    try:
        session = hosted_page.open_page(provider, payment, org=buyer.org, email=buyer.email)
    except ProviderUnavailable as error:
        _note(org_id, payment.id, "unknown", error.detail)
        raise
    except ProviderRefused as error:
        log.error("checkout refused", extra={"payment": str(payment.id), "code": error.code, "reason": error.detail})
        _note(org_id, payment.id, "failed", error.detail, code=error.code)
        raise _refusal(error, offer, payment) from None
    with transaction(org=org_id):
        current = lock(select(Payment).filter_by(org_id=org_id, id=payment.id))
        if current is None:
            raise RuntimeError("a payment cannot vanish")
        current.session_id, current.session_url = session.id, session.url
        current.opened_at = current.opened_at or clock.now()
        if current.state in states.UNOPENED:
            states.move(current, "pending", record=False)  # part of creating the payment
            current.next_check_at, current.checks = clock.now() + FIRST_CHECK, 0
    return current


def _opened(payment: Payment) -> bool:
    """Whether there is nothing left to request from the provider."""
    return bool(payment.session_url) or payment.state not in states.UNOPENED


def _known(org_id: UUID, mode: str, key: str, body_hash: bytes) -> Payment | None:
    """The earlier payment with the same key. Raises KeyReused."""
    payment = db.session.scalar(select(Payment).filter_by(org_id=org_id, mode=mode, key=key))
    if payment is not None and payment.body_hash != body_hash:
        raise KeyReused("This idempotency key was used for another request.", field="idempotency_key")
    return payment


def _away(error: ProviderUnavailable) -> ProviderAway:
    return ProviderCrowded(CROWDED) if isinstance(error, ProviderBusy) else ProviderAway(AWAY)


def _refusal(error: ProviderRefused, offer: Offer, payment: Payment) -> Invalid | CheckoutRefused:
    """What the buyer is told about a definite rejection. If it concerns our price, the price may have been changed at
    the provider."""
    if isinstance(error, PromotionRefused):
        return PromotionInvalid(error.detail, field="promotion_code")
    if payment.provider_price_id:
        sync.suspect(payment.version_id, catalog_id=offer.version.org_id, mode=payment.mode)
    return refused(error.code)


def refused(code: str | None) -> CheckoutRefused:
    """A definite rejection, with what the buyer can do about it."""
    words = declines.opening(code)
    return CheckoutRefused(f"{words.why} {words.advice}")


def _intent(
    buyer: Buyer,
    offer: Offer,
    provider: Provider,
    quantity: int,
    urls: tuple[str, str],
    key: str,
    body_hash: bytes,
    promotion_code: str,
) -> Payment:
    """Our row, committed before any external call; the existing one if the key was used before."""
    org_id = buyer.org.id
    payment = _known(org_id, provider.mode, key, body_hash)
    if payment is None:
        made = _made(buyer, offer, provider, quantity, urls, promotion_code)
        made.key, made.body_hash = key, body_hash
        try:
            with transaction(org=org_id) as session:
                org_status.hold_open(org_id)
                session.add(made)
                session.flush()
                audit.record(made, "payment.created", by=buyer.actor)
            return made
        except IntegrityError:  # the same form arrived twice at once
            payment = _known(org_id, provider.mode, key, body_hash)
            if payment is None:
                raise
    return _settled(payment)


def _made(
    buyer: Buyer, offer: Offer, provider: Provider, quantity: int, urls: tuple[str, str], promotion_code: str
) -> Payment:
    """What is sold, as a row not stored yet. It holds everything needed to open the page, so that a repeat opens the
    same page."""
    version = offer.version
    if buyer.org.funding == "own":
        raise OwnAccountMissing(OWN_ACCOUNT)
    _check_quantity(offer, quantity)
    price_id, promotion_id = _at_provider(buyer, offer, provider, promotion_code.strip())
    payment_id = ids.new()
    success_url, cancel_url = (url.replace("{payment_id}", str(payment_id)) for url in urls)
    return Payment(
        org_id=buyer.org.id, id=payment_id, provider=provider.name, mode=provider.mode,
        actor_kind=buyer.actor.kind, actor_id=buyer.actor.id, product_id=offer.product.id, version_id=version.id,
        name=offer.product.name, quantity=quantity, unit_price_minor=version.price_minor,
        amount_minor=version.price_minor * quantity, currency=version.currency,
        grant_micros=version.grant_micros * quantity, bonus_micros=version.bonus_micros * quantity,
        grant_kind=version.grant_kind, expires_days=version.expires_days,
        bonus_expires_days=version.bonus_expires_days, bonus_priority=version.bonus_priority,
        provider_price_id=price_id, promotion_id=promotion_id, promotion_code=promotion_code.strip() or None,
        success_url=success_url, cancel_url=cancel_url, next_check_at=clock.now() + ABANDONED,
    )  # fmt: skip


def _check_quantity(offer: Offer, quantity: int) -> None:
    least, most = offer.version.min_quantity, offer.version.max_quantity
    if not least <= quantity <= most:
        words = f"from {least} to {most}" if least < most else f"of {least}"
        raise Invalid(f"Enter a quantity {words}.", field="quantity")
    if offer.version.price_minor * quantity > LARGEST_PAYMENT_MINOR:
        raise Invalid("This is more than one payment can take. Buy fewer at once.", field="quantity")


def _at_provider(buyer: Buyer, offer: Offer, provider: Provider, code: str) -> tuple[str | None, str | None]:
    """The ids of the price and the promotion at the provider. Only reads there, so it needs no row of ours."""
    try:
        promotion_id = promotions.find(buyer.org.id, buyer.actor, provider, code).id if code else None
        return sync.price_for(offer.version, provider), promotion_id
    except ProviderRefused as error:
        log.error("checkout refused", extra={"org": str(buyer.org.id), "code": error.code, "reason": error.detail})
        raise refused(error.code) from None


def _settled(payment: Payment) -> Payment:
    """Return the payment once the request that opened it first is done, or must have died.

    Waits only briefly, because it blocks a thread. Raises ProviderCrowded if that was not enough.
    """
    for _ in range(WAIT_POLLS):
        if payment.state != "created" or clock.now() - payment.created_at >= FIRST_TRY:
            return payment
        time.sleep(WAIT_POLL_SECONDS)
        db.session.refresh(payment)
    if payment.state == "created":
        raise ProviderCrowded(OPENING)
    return payment


def _note(org_id: UUID, payment_id: UUID, state: str, problem: str, *, code: str | None = None) -> None:
    """Store the result of the call, unless the payment changed in the meantime. `code` is the reason for a
    rejection."""
    with transaction(org=org_id):
        payment = lock(select(Payment).filter_by(org_id=org_id, id=payment_id))
        if payment is not None and payment.state in states.UNOPENED:
            states.move(payment, state, problem=problem)
            payment.next_check_at, payment.decline_code = clock.now() + FIRST_CHECK, code
