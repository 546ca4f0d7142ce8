"""Stripe behind the provider protocol. Only this file uses its SDK, and it returns only plain values."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

import stripe

from dashboard.core import logs
from dashboard.providers import reading, stripe_order
from dashboard.providers.admission import Admission
from dashboard.providers.base import (
    BadSignature,
    CheckoutOrder,
    CheckoutSession,
    CustomerMissing,
    Event,
    PromotionRefused,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
    UnreadableAnswer,
)
from dashboard.providers.stripe_catalog import NOT_VALID, StripeCatalog

# Otherwise, the SDK writes an id into the user's configuration directory and reports timings with every call.
stripe.enable_telemetry = False

# A buyer waits about ten seconds at most, including one retry. A call without an answer by then is safe to repeat.
TIMEOUT_SECONDS = (3.05, 4.5)
# The SDK's own default for a client is no timeout.
NETWORK_RETRIES = 1
SIGNATURE_AGE_SECONDS = 300
PERMISSION_DENIED = "permission_denied"
CURRENCY_REFUSED = "currency_refused"
PAGE, MOST_PAGES = 100, 10
CLOCKS_DIFFER_SECONDS = 300

T = TypeVar("T")

_http_clients: dict[int, stripe.HTTPClient] = {}
# The account of a key never changes, so it is requested once per process. Cached by the key's hash, not the key.
_accounts: dict[str, str] = {}


class StripeProvider(StripeCatalog):
    """One Stripe account in the mode given by its key.

    `webhook_secrets` are those valid now: the current one and, during a rotation, the previous one.
    """

    name = "stripe"
    api_version: str = stripe.api_version

    def __init__(
        self,
        *,
        api_key: str,
        webhook_secrets: Sequence[str] = (),
        api_base: str | None = None,
        http_client: stripe.HTTPClient | None = None,
    ) -> None:
        self.mode = "live" if api_key.startswith(("sk_live_", "rk_live_")) else "test"
        self._api_key = api_key
        self._webhook_secrets = tuple(secret for secret in webhook_secrets if secret)
        self._api_base = api_base
        self._http_client = http_client
        self._admission = Admission()

    def __repr__(self) -> str:
        return f"<StripeProvider {self.mode}>"

    def flow(self) -> AbstractContextManager[None]:
        return self._admission.flow()

    def account_id(self) -> str:
        known_by = hashlib.sha256(f"{self._api_base}\n{self._api_key}".encode()).hexdigest()
        if known_by not in _accounts:
            try:
                _accounts[known_by] = self._ask(
                    lambda client: client.v1.accounts.retrieve_current(), lambda answer: reading.text(answer, "id")
                )
            except ProviderRefused as error:
                if error.code != PERMISSION_DENIED:
                    raise
                # a restricted key may not ask, so its customers are kept per key
                _accounts[known_by] = f"key_{known_by[:16]}"
        return _accounts[known_by]

    def create_customer(self, org_id: UUID, *, name: str, email: str | None, idempotency_key: str) -> str:
        """Id of a new Stripe customer, marked with the organization and the mode."""
        params: dict[str, Any] = {"name": name, "metadata": {"org_id": str(org_id), "mode": self.mode}}
        if email:
            params["email"] = email
        return self._ask(
            lambda client: client.v1.customers.create(cast(Any, params), {"idempotency_key": idempotency_key}),
            lambda answer: reading.text(answer, "id"),
        )

    def open_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        """The same idempotency key returns the same session. Raises CustomerMissing if Stripe no longer knows the
        customer."""
        params = stripe_order.params(order)
        return self._ask(
            lambda client: client.v1.checkout.sessions.create(
                cast(Any, params), {"idempotency_key": order.idempotency_key}
            ),
            _checkout_session,
        )

    def read_checkout(self, session_id: str) -> CheckoutSession:
        """Includes why the last attempt to pay was declined, if the key may read payment intents, which hold that
        reason."""
        try:
            return self._read_checkout(session_id, expand=["payment_intent"])
        except ProviderRefused as error:
            if error.code != PERMISSION_DENIED:
                raise
        return self._read_checkout(session_id, expand=[])

    def _read_checkout(self, session_id: str, *, expand: list[str]) -> CheckoutSession:
        params: Any = {"expand": expand} if expand else {}
        return self._ask(lambda client: client.v1.checkout.sessions.retrieve(session_id, params), _checkout_session)

    def find_checkout(self, payment_id: UUID, *, customer_id: str, since: datetime) -> CheckoutSession | None:
        """Searches the customer's sessions for the order id in the metadata: unlike Stripe's search, lists never
        lag."""
        params: dict[str, Any] = {
            "customer": customer_id, "limit": PAGE, "created": {"gte": int(since.timestamp()) - CLOCKS_DIFFER_SECONDS},
        }  # fmt: skip
        for _ in range(MOST_PAGES):
            call = partial(_list_sessions, params=dict(params))
            result, last = self._ask(call, lambda answer: _of_order(answer, str(payment_id)))
            if result or last is None:
                return result
            params["starting_after"] = last
        raise ProviderUnavailable("Too many payment pages of one customer to look through.", "too_many")

    def verify(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Event:
        """The event in `raw` if it was signed with a current secret within 300 s of `now`, past or future."""
        signature = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
        # Checked here because the SDK accepts any time in the future and uses only the machine's clock.
        if abs(now.timestamp() - _signed_at(signature)) > SIGNATURE_AGE_SECONDS:
            raise BadSignature("The signature's time is not within 300 s of now.", "signature_time")
        if not any(_signed_with(secret, raw, signature) for secret in self._webhook_secrets):
            raise BadSignature("The event is not signed with a current webhook secret.", "bad_signature")
        return reading.event(raw)

    def _ask(
        self, call: Callable[[stripe.StripeClient], stripe.StripeObject], read: Callable[[dict[str, Any]], T]
    ) -> T:
        """Make one call and parse its answer with `read`. Raises only ProviderError, never with a cause.

        The SDK's exceptions contain the request. Because ours is raised outside `except`, no log includes it.
        """
        with self._admission.call():
            return self._answer(call, read)

    def _answer(
        self, call: Callable[[stripe.StripeClient], stripe.StripeObject], read: Callable[[dict[str, Any]], T]
    ) -> T:
        problem: ProviderError
        try:
            return read(call(self._client()).to_dict())
        except ProviderError:
            raise
        except stripe.StripeError as error:
            problem = _problem(error)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            problem = UnreadableAnswer("Stripe's answer could not be read.", "unreadable_answer")
        raise problem

    def _client(self) -> stripe.StripeClient:
        # A new client per call takes microseconds and ensures that a rotated key is not used again.
        return stripe.StripeClient(
            self._api_key,
            http_client=self._http_client or _shared_http_client(),
            max_network_retries=NETWORK_RETRIES,
            base_addresses={"api": self._api_base} if self._api_base else None,
        )


def _shared_http_client() -> stripe.HTTPClient:
    # By process id: two processes would share connections inherited over a fork.
    pid = os.getpid()
    if pid not in _http_clients:
        _http_clients[pid] = stripe.RequestsClient(timeout=TIMEOUT_SECONDS)
    return _http_clients[pid]


def _list_sessions(client: stripe.StripeClient, *, params: dict[str, Any]) -> stripe.StripeObject:
    return client.v1.checkout.sessions.list(cast(Any, params))


def _of_order(answer: dict[str, Any], order_id: str) -> tuple[CheckoutSession | None, str | None]:
    """The session of that order on one page of a list, and the start of the next page: None on the last one."""
    rows = answer["data"]
    mine = next((row for row in rows if (row["metadata"] or {}).get("order_id") == order_id), None)
    more = rows[-1]["id"] if rows and reading.flag(answer, "has_more") else None
    return (_checkout_session(mine) if mine else None), more


def _checkout_session(answer: dict[str, Any]) -> CheckoutSession:
    totals = answer.get("total_details") or {}
    code, failed = _decline(answer["payment_intent"])
    return CheckoutSession(
        id=reading.text(answer, "id"),
        url=answer["url"],
        status=answer["status"],
        payment_status=reading.text(answer, "payment_status"),
        # The caller compares these amounts with the payment's own row.
        amount_subtotal=reading.minor(answer.get("amount_subtotal")),
        amount_total=reading.minor(answer.get("amount_total")),
        amount_discount=reading.minor(totals.get("amount_discount")) or 0,
        amount_tax=reading.minor(totals.get("amount_tax")) or 0,
        currency=answer["currency"],
        customer_id=_id_of(answer["customer"]),
        payment_intent_id=_id_of(answer["payment_intent"]),
        invoice_id=_id_of(answer["invoice"]),
        client_reference_id=answer["client_reference_id"],
        metadata=dict(answer["metadata"] or {}),
        livemode=reading.flag(answer, "livemode"),
        mode=reading.text(answer, "mode"),
        decline_code=code,
        declined=failed and answer["status"] == "complete" and answer["payment_status"] == "unpaid",
    )


def _decline(intent: object) -> tuple[str | None, bool]:
    """Why the last attempt was declined, unless another is in progress. Known only for an expanded intent."""
    if not isinstance(intent, dict):
        return None, False
    error = intent["last_payment_error"] or {}
    code = error.get("decline_code") or error.get("code")
    return (str(code)[:100] if code else None), intent["status"] in ("requires_payment_method", "canceled")


def _problem(error: stripe.StripeError) -> ProviderError:
    """What a failed call means: no definite answer, a definite rejection, or a missing customer."""
    status, body = error.http_status, error.error
    if isinstance(error, stripe.APIConnectionError) or status is None:
        return ProviderUnavailable("Stripe did not answer.", "no_answer")
    # 409: the first call with this idempotency key is still running. Without an error object, the response is not from
    # Stripe.
    if status >= 500 or status in (408, 409, 429) or body is None:
        return ProviderUnavailable(f"Stripe gave no definite answer (HTTP {status}).", f"http_{status}")
    # For many statuses, only the error object has the code, not the exception.
    facts = body.to_dict()
    code = str(facts.get("code") or facts.get("type") or f"http_{status}")
    detail = logs.clean(str(facts.get("message") or f"HTTP {status}"))[:300]
    if code == "resource_missing" and facts.get("param") == "customer":
        return CustomerMissing(detail, code)
    if str(facts.get("param") or "").startswith("discounts") or code.startswith(("coupon", "promotion_code")):
        return PromotionRefused(NOT_VALID if code == "resource_missing" else detail, code)
    if "currency" in str(facts.get("param") or "") and status == 400:
        return ProviderRefused(detail, CURRENCY_REFUSED)
    if status == 401:
        # Stripe's message repeats the first and last characters of whatever was sent as a key.
        return ProviderRefused("Stripe does not accept the API key.", str(facts.get("code") or "authentication_failed"))
    if status == 403:
        return ProviderRefused(detail, PERMISSION_DENIED)
    return ProviderRefused(detail, code)


def _signed_at(signature: str) -> int:
    """Seconds since the epoch, from the only `t=` of the header."""
    # Exactly one value, digits only: the SDK reads `t=1=2` as 1 and uses the first of several values, so with a
    # captured event the SDK could see the old time and we a fresh one.
    if not signature:
        raise BadSignature("The event is not signed.", "no_signature")
    times = [item for item in signature.split(",") if item.startswith("t=")]
    if len(times) != 1 or re.fullmatch(r"t=[0-9]{1,12}", times[0], re.ASCII) is None:
        raise BadSignature("The signature header holds no time.", "bad_signature")
    return int(times[0][2:])


def _signed_with(secret: str, raw: bytes, signature: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(raw, signature, secret))
    except (stripe.SignatureVerificationError, TypeError, ValueError, AttributeError):
        # Anyone can send bytes that are not UTF-8 or a signature that is not ASCII; the SDK fails on both.
        return False


def _id_of(value: object) -> str | None:
    """Stripe sends an id or, expanded, the object itself."""
    return str(value["id"]) if isinstance(value, dict) else cast("str | None", value)
