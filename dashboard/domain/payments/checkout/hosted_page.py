"""The provider's hosted page for one payment: the customer there, and the order."""

from sqlalchemy import select

from dashboard.config import settings
from dashboard.core.db import db, lock, transaction
from dashboard.core.money import plain_credits
from dashboard.domain.catalog import provider_accounts
from dashboard.domain.funds import ledger
from dashboard.models import Customer, Organization, Payment
from dashboard.providers.base import CheckoutOrder, CheckoutSession, CustomerMissing, Provider

KIND = "credit_pack"


def open_page(provider: Provider, payment: Payment, *, org: Organization, email: str | None) -> CheckoutSession:
    """The payment's page. If the provider no longer knows the organization's customer, a new one is created, once.

    Opens its own transaction after creating a customer. Call it outside a transaction. Raises ProviderError.
    """
    try:
        return provider.open_checkout(_order(payment, _customer(provider, payment, org, email), org, email))
    except CustomerMissing:
        customer = _customer(provider, payment, org, email, renew=True)
        return provider.open_checkout(_order(payment, customer, org, email))


def _customer(
    provider: Provider, payment: Payment, org: Organization, email: str | None, *, renew: bool = False
) -> str:
    """The organization's customer id at the provider's account, created there once.

    The idempotency key belongs to this payment and buyer: a provider keeps its answer to a key for a day, even a
    failure, and rejects the key with other values. With a key per organization, one failure could stop all its users
    from buying for that long.
    """
    account = provider.account_id()
    known = db.session.scalar(select(Customer).filter_by(org_id=org.id, mode=provider.mode, account_id=account))
    if known is not None and not renew:
        return known.customer_id
    provider_accounts.record_platform(provider)
    asked = ledger.body_hash("customer", {"name": org.name, "email": email, "renew": renew}).hex()[:16]
    made = provider.create_customer(
        org.id, name=org.name, email=email, idempotency_key=f"customer:{org.id}:{payment.id}:{asked}"
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


def _order(payment: Payment, customer_id: str, org: Organization, email: str | None) -> CheckoutOrder:
    return CheckoutOrder(
        org_id=payment.org_id,
        payment_id=payment.id,
        mode=payment.mode,
        name=payment.name,
        description=f"Credits for {org.name}",
        unit_amount_minor=payment.unit_price_minor,
        currency=payment.currency,
        quantity=payment.quantity,
        price_id=payment.provider_price_id,
        customer_id=customer_id,
        customer_email=email,
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
