"""Every code that an error of the API can have: its status, when it happens, and what a program does about it.

The codes of `errors[].code` that name what is wrong with one field are listed apart.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """`retryable`: the same request, sent again later with the same key, can succeed without anyone doing anything."""

    code: str
    status: int
    when: str
    remedy: str

    @property
    def retryable(self) -> bool:
        return is_retryable(self.status, self.code)


@dataclass(frozen=True, slots=True)
class FieldCode:
    code: str
    when: str


RETRYABLE_STATUSES = frozenset({429, 500, 503})
RETRYABLE_CODES = frozenset({"request_in_progress"})


def is_retryable(status: int, code: str) -> bool:
    return status in RETRYABLE_STATUSES or code in RETRYABLE_CODES


_WAIT = "Wait for `Retry-After`, then send the same request with the same idempotency key."
_ASK_NEW = "Ask an owner or admin of the organization for a new invite."
_READ_AGAIN = "Read the current state, and decide whether the call is still wanted."
_MANAGER = "Only a platform manager can do it. Ask one."

CODES = {
    400: {
        "bad_request": ("The request cannot be read as HTTP.", "Repair the client."),
        "malformed_json": (
            "The body is not JSON in UTF-8, or contains NaN or Infinity.",
            "Send one JSON object, encoded in UTF-8.",
        ),
        "bad_signature": (
            "A provider's event is not signed with a configured secret, or is older than five minutes.",
            "Compare the webhook secret with the one at the provider.",
        ),
        "foreign_account": (
            "A provider's event belongs to a connected account.",
            "Send events of the configured account only.",
        ),
        "malformed_event": ("A provider's event is signed but cannot be read.", "Send the event as the provider does."),
    },
    401: {
        "unauthenticated": (
            "The `Authorization` header is missing, or is no bearer token.",
            "Send `Authorization: Bearer <key>`.",
        ),
        "invalid_key": (
            "The key does not exist, was revoked or has expired, or its maker may no longer use it.",
            "Use another key. Trying again does not help.",
        ),
    },
    402: {
        "insufficient_funds": (
            "The charge is above the available amount. `available_micros` and `required_micros` give both.",
            "Buy or deposit credits, then send the request again: its idempotency key is still free.",
        ),
        "key_cap_exceeded": (
            "The charge is above what the key's cap leaves until `resets_at`.",
            "Wait until `resets_at`, or have an owner or admin raise the cap.",
        ),
        "limit_reached": (
            "The charge is above what a spend limit of the organization, the member or the app leaves until "
            "`resets_at`. `limit_id` and `scope` name it, `limits_tested` has all that applied.",
            "Wait until `resets_at`, or have an owner or admin raise the limit.",
        ),
        "wallet_frozen": ("The wallet is frozen while a dispute is checked.", "Ask the platform's support."),
    },
    403: {
        "forbidden": (
            "The key lacks a scope, or its user lacks the role. `detail` names what is missing.",
            "Use a key with the scope, or have someone with the role do it.",
        ),
        "scope_too_wide": (
            "The new key would have a scope that its maker may not give.",
            "Leave the scope out, or have someone make the key who has it.",
        ),
        "org_suspended": ("The organization is suspended.", "Ask the platform's support why."),
        "operator_only": ("Only platform managers may set the external key.", _MANAGER),
        "platform_funded": (
            "The organization buys from the platform's catalog, which it cannot change.",
            "Only a self-funded organization has a catalog of its own.",
        ),
        "role_too_high": ("The role is above what the caller may give or change.", "Have an owner do it."),
        "wrong_address": (
            "The invite was sent to another address than that of the token's user.",
            "Use a token of the user whose address was invited.",
        ),
        "address_not_verified": (
            "The user's address is not verified, so the invite's own link is needed.",
            "Open the link of the mail, or verify the address first.",
        ),
    },
    404: {
        "not_found": (
            "It does not exist, or belongs to an organization that the caller may not see.",
            "Check the id and the key. The two cases cannot be told apart.",
        ),
        "unknown_payment": ("A provider's event names a payment that does not exist.", "Nothing: the event is stored."),
    },
    405: {"method_not_allowed": ("The address has no such method. `Allow` lists its methods.", "Use one of those.")},
    409: {
        "conflict": ("The state does not allow the call. `detail` says why.", _READ_AGAIN),
        "event_voided": ("The usage event was voided, so it is not charged.", "Report the usage again if it counts."),
        "hold_not_open": (
            "The hold was captured, released or has expired. Nothing can be done to it any more.",
            "Read the hold. For more work, make a new one.",
        ),
        "metric_unpriced": (
            "The metric had no price when the usage happened. Nothing was recorded.",
            "Have the platform set a price, then send the same event again.",
        ),
        "metric_exists": ("There is a metric with this key.", "Use the existing one, or another key."),
        "price_exists": ("Another price of the metric begins at this moment.", "Choose another `effective_from`."),
        "request_in_progress": ("The first request with this idempotency key is still running.", _WAIT),
        "already_created": (
            "The first request with this key was answered with a secret, which is not stored. `id` names what it made.",
            "If the first answer was lost, revoke what `id` names and make another with a new idempotency key.",
        ),
        "outcome_unknown": (
            "The first request with this key changed something, but ended before its answer was stored.",
            "Read the list to see what was done. Use a new idempotency key for another try.",
        ),
        "removal_too_large": (
            "More would be removed than there is.",
            "Remove less, or send `allow_negative` if the balance may fall below zero.",
        ),
        "takes_paid_credit": (
            "The removal would take credit that was paid for. `paid_micros` says how much.",
            "Remove less, or send `allow_paid` if that is wanted.",
        ),
        "mode_not_configured": (
            "No payment provider is configured for the key's mode.",
            "Use a key of the other mode, or configure a provider.",
        ),
        "checkout_refused": ("The provider refuses to open a payment page.", "Ask the platform's support."),
        "session_mismatch": ("The provider's session is not the one of this payment.", "Ask the platform's support."),
        "external_key_taken": ("Another organization has this external key.", "Look that organization up by the key."),
        "external_key_unconfirmed": (
            "An owner set this external key, and no platform manager has confirmed it.",
            "Have a platform manager confirm or clear it.",
        ),
        "external_key_changed": ("Someone changed the external key in the meantime.", _READ_AGAIN),
        "key_ended": ("The key was revoked or has expired.", "Make a new key."),
        "key_rotated": ("The key was rotated already.", "Rotate the key that took its place."),
        "limit_exists": (
            "There is a spend limit of the same kind on the same thing.", "Change the existing one.",
        ),
        "too_many_limits": ("The organization has as many spend limits as are allowed.", "Remove some first."),
        "too_many_keys": ("The user has as many working keys as are allowed.", "Revoke some first."),
        "slug_taken": ("Another organization has this slug, or had it until recently.", "Choose another slug."),
        "personal_organization": (
            "The organization is a user's personal one, which cannot be shared, transferred or deleted.",
            "Make a team's organization.",
        ),
        "cannot_own": ("The member cannot own the organization.", "Choose an active member with a verified address."),
        "org_not_empty": (
            "There is money in the organization, or money on its way.",
            "Spend or refund it, and wait for what is pending.",
        ),
        "funds_moved": ("Money has moved, so that the funding can no longer change.", "Make another organization."),
        "already_member": ("The user is a member already.", "Nothing: the member is there."),
        "already_invited": ("There is an open invite for the address.", "Resend or withdraw that invite."),
        "invite_ended": ("The invite was answered or withdrawn already.", "Send a new invite."),
        "too_many_invites": ("The organization has as many open invites as are allowed.", "Withdraw some first."),
        "last_owner": ("The organization would be left without an active owner.", "Make someone else an owner first."),
        "other_api_version": (
            "A provider's event has a version that is not supported.",
            "Set the version of the webhook at the provider to the supported one.",
        ),
    },
    410: {
        "gone": ("The link does not work any more.", "Ask for a new one."),
        "invite_expired": ("The invite is older than 7 days.", _ASK_NEW),
        "invite_used": ("The invite was accepted already.", "Nothing, or ask for a new invite."),
        "invite_declined": ("The invite was declined.", _ASK_NEW),
        "invite_withdrawn": ("The invite was withdrawn.", _ASK_NEW),
        "invite_stopped": ("Who sent the invite may no longer invite.", _ASK_NEW),
        "org_closed": ("The organization is closed.", "Nothing: nobody can join it any more."),
    },
    413: {"too_large": ("The body is larger than 64 KB.", "Send less at once. The connection is closed.")},
    415: {
        "unsupported_media_type": (
            "The body is not declared as JSON, or is compressed.",
            "Send `Content-Type: application/json`, without `Content-Encoding`.",
        )
    },
    422: {
        "invalid": ("A field or query parameter cannot be used; `errors` names each.", "Repair the request."),
        "unknown_metric": (
            "The organization has no metric with this key, or it was archived.",
            "`GET /orgs/{org_id}/metrics` lists the metrics.",
        ),
        "outside_window": (
            "The usage happened too long ago, or lies in the future.",
            "Check the clock, and report usage sooner.",
        ),
        "repeated_event": ("One batch holds the same event twice.", "Send each event once."),
        "idempotency_key_reused": (
            "The idempotency key was used for a request with another body.",
            "Use a new key for a new request, and the same body for a repeated one.",
        ),
        "repeated_field": ("A name appears twice in the body or the query.", "Send each name once."),
        "not_plain_text": ("A text contains characters that cannot be stored.", "Remove control characters."),
        "invalid_amount": ("The amount is not a number of credits.", "Send credits with up to 6 places."),
        "invalid_address": ("A text is not one email address.", "Send an address such as name@example.com."),
        "no_such_member": (
            "No member of the organization who may spend has this id.",
            "List the members; viewers cannot spend.",
        ),
        "no_such_organization": ("No organization has this id, or it is closed.", "Check the id."),
        "no_such_wallet": ("No wallet of the organization has this id, in the mode of the key.", "List the wallets."),
        "no_such_grant": ("The wallet has no credit grant of this id.", "List the grants."),
        "no_such_product": ("No product has this id in the catalog of the organization.", "List the products."),
        "not_on_sale": ("The product is archived.", "Choose a product that is on sale."),
        "not_available": (
            "The product's price at the provider differs from ours.",
            "Choose another product; the platform has to repair the price.",
        ),
        "promotion_code_invalid": ("The promotion code cannot be used here.", "Leave it out, or send another."),
        "unusual_rate": (
            "The credits per dollar are far from those of the products on sale.",
            "Check the price. If it is right, send `confirm_unusual_rate`.",
        ),
        "catalog_full": ("As many products are on sale as are allowed.", "Archive one first."),
        "no_usable_keys": ("The JWKS has no public key for the algorithm.", "Send the issuer's JWKS."),
        "private_key": ("The JWKS contains a private key.", "Make a new pair, and send the public key only."),
        "base_url_missing": ("The server does not know its own address.", "Set COFFER_BASE_URL."),
    },
    429: {
        "too_many_requests": ("The key, the address or an action is used too often.", _WAIT),
        "too_many_promotion_codes": ("Too many promotion codes were tried.", _WAIT),
        "too_many_checkouts": ("Too many payment pages were opened.", _WAIT),
    },
    500: {
        "internal_error": (
            "Something went wrong on our side.",
            "Send the request again with the same idempotency key; it counts once. Report the `request_id`.",
        )
    },
    503: {
        "unavailable": ("The database or another part cannot be reached for a moment.", _WAIT),
        "busy": ("Too many changes happen at once.", _WAIT),
        "provider_unavailable": ("The payment provider gave no definite answer.", _WAIT),
        "provider_busy": ("Too many requests wait for the payment provider.", _WAIT),
    },
}  # fmt: skip

FIELD_CODES = {
    "required": "The field is missing.",
    "unknown_field": "There is no field or query parameter of this name.",
    "not_an_integer": "The value is not an integer: fractions, exponents and strings are not.",
    "not_a_string": "The value is not a string.",
    "not_a_boolean": "The value is not true or false.",
    "not_a_list": "The value is not a list.",
    "not_an_object": "The value is not a JSON object.",
    "not_a_choice": "The value is not one of those that `detail` lists.",
    "not_an_id": "The value is not a UUID.",
    "not_a_time": "The value is not a day or a time with its offset.",
    "not_a_cursor": "The cursor was not made by this list.",
    "out_of_range": "The number is too small or too large.",
    "wrong_length": "The text or list is too short or too long.",
    "not_a_key": "The idempotency key is not 1 to 255 visible ASCII characters.",
}


def errors() -> list[ErrorCode]:
    return [ErrorCode(code, status, *words) for status, each in CODES.items() for code, words in each.items()]


def fields() -> list[FieldCode]:
    return [FieldCode(code, when) for code, when in FIELD_CODES.items()]
