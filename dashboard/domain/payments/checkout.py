"""Buying credits: our payment row first, then the provider's hosted page."""

import re
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Conflict, Invalid, Unavailable
from dashboard.core.money import plain_credits
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.catalog import sync
from dashboard.domain.catalog.products import Offer
from dashboard.domain.catalog.terms import LARGEST_PAYMENT_MINOR
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import KeyReused
from dashboard.domain.identity import organizations
from dashboard.models import Customer, Organization, Payment
from dashboard.providers.base import (
    CheckoutOrder,
    CheckoutSession,
    CustomerMissing,
    PromotionRefused,
    Provider,
    ProviderRefused,
    ProviderUnavailable,
)

MAX_QUANTITY = 100
FIRST_TRY = timedelta(seconds=12)
FIRST_TRY_POLL_SECONDS = 0.1
FIRST_CHECK = timedelta(minutes=1)
"""When the sweep first asks how a payment stands whose page is open, or about which nothing is known."""

ABANDONED = timedelta(minutes=2)
"""By then every call to a provider has ended, so whoever made the payment has died."""

KIND = "credit_pack"
OWN_ACCOUNT = (
    "This organization sells its own packs. Buying them needs a payment account of its own, which cannot be connected "
    "yet. Nothing was charged."
)
AWAY = "The payment page is not available. Nothing was charged. Try again."
REFUSED = "The payment provider refused to open a payment page. Nothing was charged."

_CODE = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)


class ProviderAway(Unavailable):
    code = "provider_unavailable"


class CheckoutRefused(Conflict):
    code = "checkout_refused"


class OwnAccountMissing(CheckoutRefused):
    """What a self-funded organization sells is its own: the platform's account takes no money for it."""

    code = "own_account_missing"


class PromotionInvalid(Invalid):
    """The promotion code cannot be used for this. Nothing was opened; a new attempt needs a new key."""

    code = "promotion_code_invalid"


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays: the organization, and the person or key that asked."""

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
    """A payment with the hosted page to send the payer to (`session_url`).

    Once per (organization, mode, `key`): asked again it returns the same payment, and finishes what was interrupted
    with the same provider key, so that one form never opens two sessions. `{payment_id}` in the URLs becomes the
    payment's id. Opens its own transactions around the provider's calls; call it where none is open. Raises Invalid
    (PromotionInvalid, NotAvailable), KeyReused, ProviderAway (no answer; safe to repeat) and CheckoutRefused (a
    definite no; OwnAccountMissing for a self-funded organization).
    """
    payment = _intent(buyer, offer, provider, quantity, (success_url, cancel_url), key, body_hash, promotion_code)
    if payment.session_url or payment.state not in ("created", "unknown"):
        return payment
    org_id = buyer.org.id
    try:
        session = _ask(provider, buyer, payment)
    except ProviderUnavailable as error:
        _note(org_id, payment.id, "unknown", error.detail)
        raise ProviderAway(AWAY) from None
    except ProviderRefused as error:
        _note(org_id, payment.id, "failed", error.detail)
        raise _refusal(error, offer, payment) from None
    with transaction(org=org_id):
        found = lock(select(Payment).filter_by(org_id=org_id, id=payment.id))
        if found is None:
            raise RuntimeError("a payment cannot vanish")
        found.session_id, found.session_url = session.id, session.url
        found.opened_at = found.opened_at or clock.now()
        if found.state in ("created", "unknown"):
            found.state, found.problem, found.changed_at = "pending", None, clock.now()
            found.next_check_at, found.checks = clock.now() + FIRST_CHECK, 0
    return found


def _refusal(error: ProviderRefused, offer: Offer, payment: Payment) -> Invalid | CheckoutRefused:
    """What the buyer is told of a definite no. One about our price may mean that it was changed at the provider."""
    if isinstance(error, PromotionRefused):
        return PromotionInvalid(error.detail, field="promotion_code")
    if payment.provider_price_id:
        sync.suspect(payment.version_id, catalog_id=offer.version.org_id, mode=payment.mode)
    return CheckoutRefused(REFUSED)


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
    """Our row, committed before anybody outside is asked for a page; the one made before under the same key."""
    org_id = buyer.org.id
    known = select(Payment).filter_by(org_id=org_id, mode=provider.mode, key=key)
    payment = db.session.scalar(known)
    if payment is None:
        made = _made(buyer, offer, provider, quantity, urls, promotion_code)
        made.key, made.body_hash = key, body_hash
        try:
            with transaction(org=org_id) as session:
                organizations.hold_open(org_id)
                session.add(made)
                session.flush()
                audit.record(org_id, by=buyer.actor, action="payment.created", object_kind="payment", object_id=made.id)
            return made
        except IntegrityError:  # the same form came twice at once
            payment = db.session.scalars(known).one()
    if payment.body_hash != body_hash:
        raise KeyReused("This idempotency key was used for another request.", field="idempotency_key")
    return _settled(payment)


def _made(
    buyer: Buyer, offer: Offer, provider: Provider, quantity: int, urls: tuple[str, str], promotion_code: str
) -> Payment:
    """What is sold, as a row not stored yet: all that a page is opened with, so that a repeat opens the same."""
    version = offer.version
    if buyer.org.funding == "own":
        raise OwnAccountMissing(OWN_ACCOUNT)
    _check_quantity(offer, quantity)
    price_id, promotion_id = _at_provider(offer, provider, promotion_code.strip())
    payment_id = ids.new()
    success_url, cancel_url = (url.replace("{payment_id}", str(payment_id)) for url in urls)
    return Payment(
        org_id=buyer.org.id, id=payment_id, provider=provider.name, mode=provider.mode,
        actor_kind=buyer.actor.kind, actor_id=buyer.actor.id, product_id=offer.product.id, version_id=version.id,
        name=offer.product.name, quantity=quantity, unit_price_minor=version.price_minor,
        amount_minor=version.price_minor * quantity, currency=version.currency,
        grant_micros=version.grant_micros * quantity, bonus_micros=version.bonus_micros * quantity,
        grant_kind=version.grant_kind, expires_days=version.expires_days, provider_price_id=price_id,
        promotion_id=promotion_id, promotion_code=promotion_code.strip() or None, success_url=success_url,
        cancel_url=cancel_url, next_check_at=clock.now() + ABANDONED,
    )  # fmt: skip


def _check_quantity(offer: Offer, quantity: int) -> None:
    least, most = offer.version.min_quantity, offer.version.max_quantity
    if not least <= quantity <= most:
        words = f"from {least} to {most}" if least < most else f"of {least}"
        raise Invalid(f"Enter a quantity {words}.", field="quantity")
    if offer.version.price_minor * quantity > LARGEST_PAYMENT_MINOR:
        raise Invalid("This is more than one payment can take. Buy fewer at once.", field="quantity")


def _at_provider(offer: Offer, provider: Provider, code: str) -> tuple[str | None, str | None]:
    """The price and the promotion at the provider, by its ids. Reads only, so no row of ours comes first."""
    if code and not _CODE.fullmatch(code):
        raise PromotionInvalid("A code has letters, digits and dashes only.", field="promotion_code")
    try:
        price_id = sync.price_for(offer.version, provider)
        return price_id, provider.find_promotion(code) if code else None
    except ProviderUnavailable:
        raise ProviderAway(AWAY) from None
    except PromotionRefused as error:
        raise PromotionInvalid(error.detail, field="promotion_code") from None
    except ProviderRefused:
        raise CheckoutRefused(REFUSED) from None


def _settled(payment: Payment) -> Payment:
    """The payment once whoever opened it first is done with it, or has had time enough and must have died."""
    while payment.state == "created" and clock.now() - payment.created_at < FIRST_TRY:
        time.sleep(FIRST_TRY_POLL_SECONDS)
        db.session.refresh(payment)
    return payment


def _ask(provider: Provider, buyer: Buyer, payment: Payment) -> CheckoutSession:
    """Open the session; make the customer anew, once, where the provider no longer knows it."""
    try:
        return provider.open_checkout(_order(payment, _customer(provider, buyer, payment), buyer))
    except CustomerMissing:
        return provider.open_checkout(_order(payment, _customer(provider, buyer, payment, renew=True), buyer))


def _customer(provider: Provider, buyer: Buyer, payment: Payment, *, renew: bool = False) -> str:
    """The organization's customer id at the provider's account, made there once.

    The provider's key is of this payment and buyer: a provider keeps its answer to a key for a day, a failure too, and
    refuses the key with other values. One of the organization alone could keep all its people from buying that long.
    """
    org, account = buyer.org, provider.account_id()
    known = db.session.scalar(select(Customer).filter_by(org_id=org.id, mode=provider.mode, account_id=account))
    if known is not None and not renew:
        return known.customer_id
    asked = ledger.body_hash("customer", {"name": org.name, "email": buyer.email, "renew": renew}).hex()[:16]
    made = provider.create_customer(
        org.id, name=org.name, email=buyer.email, idempotency_key=f"customer:{org.id}:{payment.id}:{asked}"
    )
    with transaction(org=org.id) as session:
        lock(select(Organization).filter_by(id=org.id))  # two purchases at once make one row
        row = lock(select(Customer).filter_by(org_id=org.id, mode=provider.mode, account_id=account))
        if row is None:
            session.add(Customer(org_id=org.id, mode=provider.mode, account_id=account, customer_id=made))
        elif renew:
            row.customer_id = made
        else:
            made = row.customer_id
    return made


def _order(payment: Payment, customer_id: str, buyer: Buyer) -> CheckoutOrder:
    return CheckoutOrder(
        org_id=payment.org_id,
        payment_id=payment.id,
        mode=payment.mode,
        name=payment.name,
        description=f"Credits for {buyer.org.name}",
        unit_amount_minor=payment.unit_price_minor,
        currency=payment.currency,
        quantity=payment.quantity,
        price_id=payment.provider_price_id,
        customer_id=customer_id,
        customer_email=buyer.email,
        success_url=payment.success_url,
        cancel_url=payment.cancel_url,
        metadata={
            "org_id": str(payment.org_id),
            "mode": payment.mode,
            "kind": KIND,
            "order_id": str(payment.id),
            "pack_id": str(payment.product_id),
            "credits": plain_credits(payment.grant_micros + payment.bonus_micros),
        },
        invoice_creation=settings().payment.stripe.enable_invoice_creation,
        idempotency_key=f"checkout:{payment.org_id}:{payment.id}:{customer_id}",
        promotion_id=payment.promotion_id,
    )


def _note(org_id: UUID, payment_id: UUID, state: str, problem: str) -> None:
    """What came of the call, unless something else moved the payment meanwhile."""
    with transaction(org=org_id):
        payment = lock(select(Payment).filter_by(org_id=org_id, id=payment_id))
        if payment is not None and payment.state in ("created", "unknown"):
            before = payment.state
            payment.state, payment.problem, payment.changed_at = state, problem, clock.now()
            payment.next_check_at = clock.now() + FIRST_CHECK
            audit.record(
                org_id, by=SYSTEM, action=f"payment.{state}", object_kind="payment", object_id=payment_id,
                before={"state": before}, after={"state": state, "problem": problem},
            )  # fmt: skip
