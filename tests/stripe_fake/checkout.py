"""What happens to a Checkout session: by the buyer on the hosted page, and later at the bank."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from tests.stripe_fake import discounts, shapes
from tests.stripe_fake.model import Account, Refusal
from tests.stripe_fake.signing import Json


class Checkout:
    """Each verb changes the session, tells of it by events, and returns the session as it is then."""

    clock: Callable[[], float]
    lock: threading.RLock

    def holder(self, id_: str) -> Account:
        raise NotImplementedError

    def emit(self, account: Account, happened: Iterable[tuple[str, Json]]) -> list[Json]:
        raise NotImplementedError

    def pay(self, session_id: str) -> Json:
        """Paid at once; free of charge where a discount took everything."""
        with self.lock:
            account, of = self._take(session_id, "open")
            of |= {"status": "complete", "url": None, "customer_details": self._buyer(account, of)}
            discounts.redeem(account, of)
            if of["amount_total"] == 0:
                of["payment_status"] = "no_payment_required"
                self.emit(account, [("checkout.session.completed", of)])
                return of
            intent = self._intent(account, of, "succeeded")
            happened = self._money(account, of, intent)
            self.emit(account, [*happened, ("checkout.session.completed", of)])
            return of

    def pay_later(self, session_id: str) -> Json:
        """By a delayed method: complete, but unpaid until `settle` or `fail`."""
        with self.lock:
            account, of = self._take(session_id, "open")
            of |= {"status": "complete", "url": None, "customer_details": self._buyer(account, of)}
            discounts.redeem(account, of)
            intent = self._intent(account, of, "processing")
            self.emit(account, [("payment_intent.processing", intent), ("checkout.session.completed", of)])
            return of

    def settle(self, session_id: str) -> Json:
        """The delayed payment arrived."""
        with self.lock:
            account, of = self._take(session_id, "complete")
            intent = account.things[of["payment_intent"]]
            intent |= {"status": "succeeded", "amount_received": intent["amount"]}
            happened = self._money(account, of, intent)
            self.emit(account, [*happened, ("checkout.session.async_payment_succeeded", of)])
            return of

    def fail(self, session_id: str) -> Json:
        """The delayed payment did not arrive: the session stays complete and unpaid."""
        with self.lock:
            account, of = self._take(session_id, "complete")
            intent = account.things[of["payment_intent"]]
            intent |= shapes.decline(intent)
            happened = [("payment_intent.payment_failed", intent), ("checkout.session.async_payment_failed", of)]
            self.emit(account, happened)
            return of

    def decline(self, session_id: str) -> Json:
        """The card was declined: the session stays open for another try."""
        with self.lock:
            account, of = self._take(session_id, "open")
            known = of["payment_intent"] and account.things[of["payment_intent"]]
            intent = known or self._intent(account, of, "requires_payment_method")
            intent |= shapes.decline(intent)
            self.emit(account, [("payment_intent.payment_failed", intent)])
            return of

    def expire(self, session_id: str) -> Json:
        with self.lock:
            account, of = self._take(session_id, "open")
            of |= {"status": "expired", "url": None}
            self.emit(account, [("checkout.session.expired", of)])
            return of

    def amend(self, session_id: str, **changes: Any) -> Json:
        """Other facts than were ordered: amounts, currency, metadata, customer ..."""
        with self.lock:
            of = self.holder(session_id).things[session_id]
            of |= changes
            return of

    def discount(self, session_id: str, percent: int) -> Json:
        """A promotion code entered by the buyer on the hosted page."""
        off = self.holder(session_id).things[session_id]["amount_subtotal"] * percent // 100
        with self.lock:
            of = self.holder(session_id).things[session_id]
            of["amount_total"] = of["amount_subtotal"] - off
            of["total_details"] = of["total_details"] | {"amount_discount": off}
            return of

    def _take(self, session_id: str, status: str) -> tuple[Account, Json]:
        account = self.holder(session_id)
        of = account.find(session_id, "checkout.session")
        if of["status"] != status or (status == "complete" and of["payment_status"] != "unpaid"):
            raise Refusal(400, None, f"The session is {of['status']} and {of['payment_status']}.")
        return account, of

    def _buyer(self, account: Account, of: Json) -> Json:
        known = account.things.get(of["customer"] or "", {})
        email = known.get("email") or of["customer_email"]
        if of["customer"] is None and of["customer_creation"] == "always":
            made = shapes.customer({"email": email}, livemode=account.livemode, now=int(self.clock()))
            account.things[made["id"]] = made
            of["customer"] = made["id"]
        return shapes.customer_details(known.get("name"), email)

    def _intent(self, account: Account, of: Json, status: str) -> Json:
        """The session's payment intent in that state: the one of an earlier decline, or a new one."""
        made = shapes.payment_intent(of, status, account.intent_metadata[of["id"]], now=int(self.clock()))
        if of["payment_intent"]:
            made["id"] = of["payment_intent"]
        account.things[made["id"]] = made
        of["payment_intent"] = made["id"]
        return made

    def _money(self, account: Account, of: Json, intent: Json) -> list[tuple[str, Json]]:
        """Charge, invoice where asked for, and what is told of them; the session is paid."""
        now = int(self.clock())
        made = shapes.charge(intent, of["customer_details"], now=now)
        intent["latest_charge"] = made["id"]
        account.things[made["id"]] = made
        of["payment_status"] = "paid"
        happened = [("payment_intent.succeeded", intent), ("charge.succeeded", made)]
        if of["invoice_creation"] and of["invoice_creation"]["enabled"]:
            metadata = of["invoice_creation"]["invoice_data"]["metadata"] or {}
            invoice = shapes.invoice(of, account.lines[of["id"]], metadata, now=now)
            account.things[invoice["id"]] = invoice
            of["invoice"] = invoice["id"]
            happened.append(("invoice.paid", invoice))
        return happened
