"""Granting and removing credits: a form, a review with before, change and after, and its confirmation."""

import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.config import settings
from dashboard.core import clock, ids
from dashboard.core.db import retrying, transaction
from dashboard.core.errors import CofferError, Invalid, NotFound, check_each
from dashboard.core.money import money, parse_credits, plain_credits
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.funds import credit_grants, expiry, ledger, origins, wallets
from dashboard.domain.funds.credit_grants import removal
from dashboard.domain.funds.credit_grants.removal import GrantTooSmall
from dashboard.domain.funds.ledger import Posting, RemovalTooLarge
from dashboard.domain.funds.reports import forecast
from dashboard.domain.platform import grants, organizations
from dashboard.domain.platform.grants import TakesPaidCredit
from dashboard.models import Organization, Wallet
from dashboard.web import guards, render, transaction_list
from dashboard.web.admin import words

pages = Blueprint("grants", __name__)

FIELDS = (
    "amount", "category", "reason", "allow_negative", "expires_at", "priority", "grant_id", "idempotency_key",
    "confirm", "paid_reason", "amount_again",
)  # fmt: skip
UNASKED = ("key", "paid_reason")
SHOWN = ("amount", "category", "reason", "allow_negative", "expires_at", "priority", "grant_id")
LONGEST_KEY = 255
MOST_CHOICES = 200
PAID_REASON = "Give the reason for taking credit that was paid for."
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GrantAction:
    """Grant or removal, with its text."""

    removing: bool
    title: str
    verb: str
    review: str
    done: str
    categories: tuple[tuple[str, str], ...]


GRANT = GrantAction(False, "Grant credits", "Grant", "Review grant", "Granted", words.CATEGORIES)
REMOVE = GrantAction(True, "Remove credits", "Remove", "Review removal", "Removed", words.REMOVALS)


@dataclass(frozen=True, slots=True)
class Order:
    """What the form asks for. `amount_micros` is above zero, also for a removal; `expires_on` is the last day.
    `grant_id` is what a removal takes from; None: in the order in which credit is spent."""

    amount_micros: int
    category: str
    reason: str
    allow_negative: bool
    key: str
    expires_on: str = ""
    priority: int | None = None
    grant_id: UUID | None = None
    paid_reason: str = ""


@pages.route("/<uuid:org_id>/grant", methods=["GET", "POST"])
def grant(org_id: UUID) -> Response:
    return _answer(org_id, GRANT)


@pages.route("/<uuid:org_id>/remove", methods=["GET", "POST"])
def remove(org_id: UUID) -> Response:
    return _answer(org_id, REMOVE)


def _answer(org_id: UUID, act: GrantAction) -> Response:
    org, caller = guards.look_into(org_id, Verb.PLATFORM_GRANT)
    if org.closed_at is not None:
        raise NotFound
    if request.method != "POST":  # also for HEAD, which has no form token
        return render.render("admin/grants/form.html", **_form(org, act, {}, {}))
    try:
        order = _order(act)
        if not request.form.get("confirm"):
            return render.render("admin/grants/review.html", **_review(org, act, order))
        guards.require_recent()
        posting, missing = _confirmed(org, act, order, caller.actor)
        if posting is None:
            return render.invalid("admin/grants/review.html", **_review(org, act, order, missing))
    except (Invalid, RemovalTooLarge) as refusal:
        return render.invalid("admin/grants/form.html", **_form(org, act, request.form, _errors(refusal)))
    render.toast_next(_said(act, posting))
    return render.redirect(url_for("admin_orgs.show", org_id=org.id))


def _order(act: GrantAction) -> Order:
    """The form's values. Raises Invalid with all that is wrong."""
    form = {name: _one(name) for name in FIELDS}
    category, key = form["category"].strip(), form["idempotency_key"] or str(ids.new())
    check_each(
        lambda: parse_credits(form["amount"], field="amount"),
        lambda: grants.check_category(category, removing=act.removing),
        lambda: audit.checked_reason(form["reason"]),
        lambda: _check_date(act, form["expires_at"].strip()),
        lambda: grants.parse_priority(form["priority"]),
        lambda: _check_grant(form["grant_id"]),
        lambda: _check_key(key),
    )
    allow = act.removing and form["allow_negative"] not in ("", "0", "false")
    return Order(
        parse_credits(form["amount"]), category, audit.checked_reason(form["reason"]), allow, key,
        expires_on=form["expires_at"].strip(), priority=grants.parse_priority(form["priority"]) or None,
        grant_id=ids.parse(form["grant_id"]), paid_reason=form["paid_reason"].strip(),
    )  # fmt: skip


def _confirmed(org: Organization, act: GrantAction, order: Order, by: Actor) -> tuple[Posting | None, dict[str, str]]:
    """The posting; or what the review still asks for, by field."""
    wallet = wallets.of_organization(org.id, guards.platform_mode(), fresh=True)
    errors = {}
    try:
        if order.paid_reason:
            audit.checked_reason(order.paid_reason)
    except Invalid as refusal:
        errors["paid_reason"] = refusal.detail
    done = origins.booked(org.id, wallet.mode, origins.OPERATOR, {order.key})
    if not done and _asks_again(act, wallet, order):
        try:
            again = parse_credits(_one("amount_again"))
        except Invalid:
            again = None
        if again != order.amount_micros:
            errors["amount_again"] = f"Enter {plain_credits(order.amount_micros)} again to confirm."
    if errors:
        return None, errors
    try:
        return _carry_out(org, act, order, by), {}
    except TakesPaidCredit:
        return None, {"paid_reason": PAID_REASON}


def _asks_again(act: GrantAction, wallet: Wallet, order: Order) -> bool:
    """Whether the amount is typed again: above the configured sum, and to remove more than half of the balance."""
    half = act.removing and order.amount_micros * 2 > wallet.balance
    return half or order.amount_micros > settings().credits.retyped_above_micros


def _check_date(act: GrantAction, last_day: str) -> None:
    if last_day and act.removing:
        raise Invalid("Only a grant can expire.", field="expires_at")
    if last_day and expiry.end_of(last_day) <= clock.now():
        raise Invalid("This day is in the past. Enter a later one, or leave it empty.", field="expires_at")


def _check_grant(text: str) -> None:
    if text and ids.parse(text) is None:
        raise Invalid("Choose a grant from the list.", field="grant_id")


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise Invalid(f"The idempotency key is 1 to {LONGEST_KEY} ASCII characters.", field="idempotency_key")


def _one(name: str) -> str:
    """A field of the form. Two with the same name are rejected, because nobody could say which one was meant."""
    values = request.form.getlist(name)
    if len(values) > 1:
        raise Invalid("This was sent twice. Nothing was changed.", field=name)
    return values[0] if values else ""


@retrying
def _carry_out(org: Organization, act: GrantAction, order: Order, by: Actor) -> Posting:
    asked = {name: value for name, value in asdict(order).items() if name not in UNASKED and value not in ("", None)}
    common: dict[str, Any] = {
        "amount_micros": order.amount_micros, "category": order.category, "reason": order.reason, "by": by,
        "key": order.key, "mode": guards.platform_mode(), "body_hash": ledger.body_hash(request.path, asked),
    }  # fmt: skip
    with transaction(org=org.id):
        if act.removing:
            return grants.remove(
                org, **common, allow_negative=order.allow_negative, allow_paid=bool(order.paid_reason),
                paid_reason=order.paid_reason or None, grant_id=order.grant_id,
            )  # fmt: skip
        until = expiry.end_of(order.expires_on) if order.expires_on else None
        return grants.grant(org, **common, expires_at=until, priority=order.priority or 0)


def _review(org: Organization, act: GrantAction, order: Order, errors: dict[str, str] | None = None) -> dict[str, Any]:
    """Before, change and after, as of now. Raises Invalid or RemovalTooLarge if the confirmation would be rejected."""
    wallet = wallets.of_organization(org.id, guards.platform_mode(), fresh=True)
    change = -order.amount_micros if act.removing else order.amount_micros
    if act.removing and not order.allow_negative and wallet.available < order.amount_micros:
        raise RemovalTooLarge("This is more than the balance.", available_micros=wallet.available)
    chosen = credit_grants.named(wallet, order.grant_id) if order.grant_id else None
    if chosen:
        removal.check(chosen, order.amount_micros)
    ahead = forecast.of(wallet)
    last_day = date.fromisoformat(order.expires_on) if order.expires_on else None
    return _common(org, act, wallet) | {
        "order": order, "last_day": last_day, "amount_text": _one("amount").strip(),
        "category": dict(act.categories)[order.category], "errors": errors or {},
        "taken": grants.taken(wallet, order.amount_micros, order.grant_id) if act.removing else None,
        "chosen": words.grant_line(chosen) if chosen else "",
        "asks_again": _asks_again(act, wallet, order), "amount_again": _one("amount_again")[:24],
        "change": change, "after": wallet.balance + change, "runs_out_now": words.runs_out(ahead),
        "runs_out_after": words.runs_out(ahead.after(change, last_day)),
        "paid": grants.CATEGORIES.get(order.category) == "paid", "reason_limit": audit.REASON_LIMIT,
        "stops": wallet.available + change <= -wallet.overdraft_limit < wallet.available,
    }  # fmt: skip


def _form(org: Organization, act: GrantAction, values: Any, errors: dict[str, str]) -> dict[str, Any]:
    wallet = wallets.of_organization(org.id, guards.platform_mode(), fresh=True)
    typed = {name: str(values.get(name, ""))[:1000] for name in SHOWN}
    # A key that was rejected would be rejected again.
    key = "" if "" in errors else values.get("idempotency_key", "")
    return _common(org, act, wallet) | {
        "values": typed, "errors": errors, "key": key if _KEY.fullmatch(key) else str(ids.new()),
        "categories": act.categories, "open_grants": _choices(wallet) if act.removing else [],
        "reason_limit": audit.REASON_LIMIT,
        "runs_out_now": words.runs_out(forecast.of(wallet)),
    }  # fmt: skip


def _choices(wallet: Wallet) -> list[tuple[str, str]]:
    """The grants that a removal can name, in the order in which they are spent."""
    grants = credit_grants.spendable(wallet)[:MOST_CHOICES]
    return [
        ("", "Promotional credit first, as spending does"),
        *((str(one.grant.id), words.grant_line(one)) for one in grants),
    ]


def _common(org: Organization, act: GrantAction, wallet: Wallet) -> dict[str, Any]:
    rows = organizations.last_grants(org.id)
    last = transaction_list.lines(rows, row=lambda row_id: f"/o/{org.slug}/transactions/{row_id}", for_manager=True)
    return {
        "org": org, "act": act, "wallet": wallet, "owner": organizations.owner_of(org.id), "last": last,
        "here": url_for("admin_orgs.grants.remove" if act.removing else "admin_orgs.grants.grant", org_id=org.id),
    }  # fmt: skip


def _errors(refusal: CofferError) -> dict[str, str]:
    """Each message at its field; messages for fields that are not on this page are shown above the form."""
    if isinstance(refusal, GrantTooSmall):
        return {
            "amount": f"Only {money(refusal.extra['available_micros'])} is left of this grant. Nothing was changed."
        }
    if isinstance(refusal, RemovalTooLarge):
        left = money(refusal.extra["available_micros"])
        return {"amount": f"That's more than the balance of {left}. Nothing was changed."}
    return {field if field in SHOWN else "": text for field, text in render.errors_of(refusal).items()}


def _said(act: GrantAction, posting: Posting) -> str:
    size = money(abs(posting.amount))
    if posting.replayed:
        return f"{act.done} {size} already. Nothing was changed twice."
    return f"{act.done} {size}. The balance is now {money(posting.balance_after)}."
