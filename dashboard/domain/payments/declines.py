"""Why a payment was declined or no payment page opened, and what to do: text for the provider's codes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decline:
    """`why` is a complete sentence; `advice` is what the payer can do."""

    why: str
    advice: str


_BANK = "Ask your bank why, or use another card."
_AGAIN = "Try again in a few minutes, or pay with another card."
_OTHER = "Pay with another card."
_RETYPE = "Check your entries and try again."

_MONEY = Decline("The payment was declined: insufficient funds.", _OTHER)
_NUMBER = Decline("The payment was declined: the card number is incorrect.", _RETYPE)
_CODE = Decline("The payment was declined: the security code is incorrect.", _RETYPE)
_DATE = Decline("The payment was declined: the expiry date is incorrect.", _RETYPE)
_BLOCKED = Decline("The payment was declined: the bank doesn't allow this card here.", _BANK)
_CLOSED = Decline(
    "The payment was declined: the account cannot be used for it.", "Pay from another account or by card."
)
_BANK_AWAY = Decline("The payment was declined: the bank could not be reached.", _AGAIN)
_CONFIRM = Decline(
    "The payment was declined: the bank needs you to confirm it.", "Try again and confirm the payment with your bank."
)
_LIMIT = Decline("The payment was declined: the card's limit was reached.", "Try again tomorrow, or use another card.")

UNKNOWN = Decline("The payment was declined. The bank gave no reason.", _BANK)

TABLE: dict[str, Decline] = {
    "insufficient_funds": _MONEY,
    "insufficient_account_balance": _MONEY,
    "expired_card": Decline("The payment was declined: the card has expired.", _OTHER),
    "incorrect_number": _NUMBER,
    "invalid_number": _NUMBER,
    "incorrect_cvc": _CODE,
    "invalid_cvc": _CODE,
    "invalid_expiry_month": _DATE,
    "invalid_expiry_year": _DATE,
    "incorrect_zip": Decline("The payment was declined: the postal code doesn't match the card.", _RETYPE),
    "incorrect_address": Decline("The payment was declined: the address doesn't match the card.", _RETYPE),
    "authentication_required": _CONFIRM,
    "payment_intent_authentication_failure": _CONFIRM,
    "authentication_not_handled": _CONFIRM,
    "processing_error": Decline("The payment was declined: it couldn't be processed at the moment.", _AGAIN),
    "try_again_later": _BANK_AWAY,
    "issuer_not_available": _BANK_AWAY,
    "reenter_transaction": _BANK_AWAY,
    "approve_with_id": _BANK_AWAY,
    "card_not_supported": Decline("The payment was declined: this kind of card does not support it.", _OTHER),
    "currency_not_supported": Decline("The payment was declined: the card does not support US dollars.", _OTHER),
    "card_velocity_exceeded": _LIMIT,
    "withdrawal_count_limit_exceeded": _LIMIT,
    "amount_too_large": _LIMIT,
    "restricted_card": _BLOCKED,
    "not_permitted": _BLOCKED,
    "transaction_not_allowed": _BLOCKED,
    "service_not_allowed": _BLOCKED,
    "invalid_account": _CLOSED,
    "new_account_information_available": _CLOSED,
    "account_closed": _CLOSED,
    "bank_account_unusable": _CLOSED,
    "debit_not_authorized": Decline("The payment was declined: the account holder didn't authorize the debit.", _BANK),
    "payment_method_customer_decline": Decline("The payment was declined by the payer at the bank.", _OTHER),
    "payment_intent_payment_attempt_expired": Decline(
        "The payment was declined: it was not confirmed in time.", "Try again and confirm the payment with your bank."
    ),
    "duplicate_transaction": Decline(
        "The payment was declined: the same amount was just paid with this card.",
        "Check your payments first, then try again or use another card.",
    ),
}
"""Codes that are not listed get UNKNOWN. Some are omitted on purpose: a bank's response about a stolen card is not for
the person who uses it."""


_PAGE = "The payment provider refused to open a payment page"
_ACCOUNT = Decline(
    f"{_PAGE}: the operator's payment account cannot take payments now. Nothing was charged.",
    "Contact support: trying again won't help.",
)
_CURRENCY = Decline(
    f"{_PAGE}: it does not take this pack's currency from your organization. Nothing was charged.",
    "Contact support: your organization may have paid in another currency before.",
)
_SMALL = Decline(f"{_PAGE}: the amount is too small for it. Nothing was charged.", "Buy a larger pack or quantity.")
_LARGE = Decline(f"{_PAGE}: the amount is too large for it. Nothing was charged.", "Buy a smaller pack or quantity.")
REFUSED = Decline(
    f"{_PAGE}. Nothing was charged.",
    "Try another pack. If that fails too, contact support.",
)

PAGES: dict[str, Decline] = {
    "authentication_failed": _ACCOUNT,
    "api_key_expired": _ACCOUNT,
    "permission_denied": _ACCOUNT,
    "account_invalid": _ACCOUNT,
    "account_closed": _ACCOUNT,
    "testmode_charges_only": _ACCOUNT,
    "livemode_mismatch": _ACCOUNT,
    "charges_not_enabled": _ACCOUNT,
    "currency_refused": _CURRENCY,
    "currency_not_supported": _CURRENCY,
    "amount_too_small": _SMALL,
    "amount_too_large": _LARGE,
}
"""Why no payment page was opened. Codes that are not listed get REFUSED."""


def opening(code: str | None) -> Decline:
    """The text for a provider's code when it refused to open a payment page."""
    return PAGES.get(code or "", REFUSED)


def explain(code: str | None) -> Decline:
    """The text for a provider's decline code; the general text for a code that is unknown or must not be shown."""
    return TABLE.get(code or "", UNKNOWN)
