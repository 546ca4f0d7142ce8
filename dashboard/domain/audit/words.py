"""The sentence and the group of every action. All of them are in this module."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from dashboard.core.clock import in_words
from dashboard.core.money import exact, money, of_currency

GROUPS = {
    "people": "Members and invites",
    "keys": "Keys and programs",
    "money": "Credits and payments",
    "catalog": "Credit packs",
    "organization": "Organization and settings",
    "exports": "Exports",
    "visits": "Platform visits",
    "accounts": "Sign-in and accounts",
    "platform": "Mail, webhooks and ledger",
}
"""The groups by which lists can be filtered, with their labels."""

ACTIONS: dict[str, tuple[str, str]] = {
    "member.added": ("people", "{who} added {what} as {after.role}"),
    "member.joined": ("people", "{what} joined as {after.role}"),
    "member.role_changed": ("people", "{who} changed {what}'s role from {before.role} to {after.role}"),
    "member.removed": ("people", "{who} removed {what} ({before.role})"),
    "member.left": ("people", "{what} left ({before.role})"),
    "member.disabled": ("people", "{who} disabled the account of {what}"),
    "member.enabled": ("people", "{who} enabled the account of {what} again"),
    "ownership.transferred": ("people", "{who} handed the ownership of {what} over to {after.owner:person}"),
    "invite.sent": ("people", "{who} invited {what} as {after.role}"),
    "invite.resent": ("people", "{who} invited {what} again, with a new link"),
    "invite.revoked": ("people", "{who} withdrew the invite of {what}"),
    "invite.removed": ("people", "{who} removed the declined invite of {what}"),
    "invite.accepted": ("people", "{who} accepted the invite of {what} as {before.role}"),
    "invite.declined": ("people", "The invite of {what} was declined"),
    "key.made": ("keys", "{who} created the API key {what}"),
    "key.revoked": ("keys", "{who} revoked the API key {what}"),
    "key.rotated": ("keys", "{who} rotated the API key {what}"),
    "key.handed_over": ("keys", "The key {what} passed from {before.holder:person} to {after.holder:person}"),
    "key.cap_changed": ("keys", "{who} changed the cap of the key {what}"),
    "key.call_limit_changed": ("keys", "{who} changed how often the key {what} may call"),
    "key.scopes_changed": ("keys", "{who} changed the operator scopes of the key {what}"),
    "limit.created": ("money", "{who} limited {what} to {after.limit_micros:size} per {after.window}"),
    "limit.changed": ("money", "{who} changed a spend limit of {what}"),
    "limit.removed": ("money", "{who} removed a spend limit of {what}"),
    "token.made": ("keys", "{who} made the personal token {what}"),
    "identity_provider.set": ("keys", "{who} set the identity provider for {after.mode} mode"),
    "identity_provider.removed": ("keys", "{who} removed the identity provider of {before.mode} mode"),
    "token.revoked": ("keys", "{who} revoked the personal token {what}"),
    "credits.granted": ("money", "{who} granted {after.amount:size} ({after.category})"),
    "credits.deposited": ("money", "{who} deposited {after.amount:size}"),
    "credits.removed": ("money", "{who} removed {after.amount:size} ({after.category})"),
    "usage.voided": ("money", "{who} voided usage of {what}, which gave back {after.amount:size}"),
    "hold.released": ("money", "{who} released a hold of {before.held:size}"),
    "payment.created": ("money", "{who} started a purchase of {what}"),
    "payment.unknown": ("money", "The payment provider gave no definite answer about {what}"),
    "payment.pending": ("money", "The payment for {what} was sent to the payment page"),
    "payment.paid": ("money", "The payment for {what} was paid"),
    "payment.credited": ("money", "The payment for {what} was paid and credited"),
    "payment.failed": ("money", "The payment for {what} failed"),
    "payment.expired": ("money", "The payment page for {what} expired"),
    "payment.review": ("money", "The payment for {what} was held for review"),
    "payment.accepted": ("money", "{who} accepted the payment for {what}"),
    "payment.rejected": ("money", "{who} rejected the payment for {what}"),
    "product.created": ("catalog", "{who} created the pack {what}"),
    "product.changed": ("catalog", "{who} changed the pack {what}"),
    "metric.created": ("catalog", "{who} created the metric {what}"),
    "metric.changed": ("catalog", "{who} renamed the metric {what}"),
    "metric.archived": ("catalog", "{who} archived the metric {what}"),
    "metric.restored": ("catalog", "{who} took the metric {what} out of the archive"),
    "price.set": ("catalog", "{who} set a new price for {what}"),
    "product.moved": ("catalog", "{who} moved the pack {what}"),
    "price.replaced": ("catalog", "{who} had a new price made for the pack {what}"),
    "organization.made": ("organization", "{who} created the organization {what}"),
    "organization.changed": ("organization", "{who} changed the settings of {what}"),
    "organization.suspended": ("organization", "{who} suspended {what}"),
    "organization.unsuspended": ("organization", "{who} lifted the suspension of {what}"),
    "organization.closed": ("organization", "{who} closed {what}"),
    "organization.reopened": ("organization", "{who} reopened {what}"),
    "organization.funding_changed": ("organization", "{who} changed who funds {what}"),
    "external_key.set": ("organization", "{who} set the external key of {what} to {after.external_key}"),
    "external_key.confirmed": ("organization", "{who} confirmed the external key {after.external_key} of {what}"),
    "external_key.cleared": ("organization", "{who} cleared the external key {before.external_key} of {what}"),
    "overdraft.changed": ("money", "{who} changed how far below zero the balance may go"),
    "transactions.exported": ("exports", "{who} exported transactions"),
    "usage.exported": ("exports", "{who} exported usage"),
    "promotion.refused": ("money", "{who} tried a promotion code that does not work"),
    "checkouts.limited": ("money", "{who} opened too many payment pages within a minute and was stopped"),
    "payments.exported": ("exports", "{who} exported payments"),
    "audit.exported": ("exports", "{who} exported the audit log"),
    "organization.visited": ("visits", "{who} viewed the organization: {what}"),
    "user.made": ("accounts", "{who} made the account of {what}"),
    "user.verified": ("accounts", "{what} confirmed the email address"),
    "user.password_changed": ("accounts", "{who} changed their password"),
    "user.password_reset": ("accounts", "{who} set a new password by the link in a mail"),
    "user.email_change_asked": ("accounts", "{who} asked for another email address"),
    "user.email_change_called_off": ("accounts", "The change of {what}'s email address was called off"),
    "user.email_changed": ("accounts", "{who} changed their email address"),
    "user.second_factor_on": ("accounts", "{who} turned their second factor on"),
    "user.second_factor_off": ("accounts", "{who} turned the second factor of {what} off"),
    "user.recovery_codes_made": ("accounts", "{who} made new recovery codes"),
    "user.recovery_code_used": ("accounts", "{who} used a recovery code"),
    "user.sessions_ended": ("accounts", "{who} signed {what} out everywhere"),
    "user.disabled": ("accounts", "{who} disabled {what}"),
    "user.enabled": ("accounts", "{who} enabled {what} again"),
    "user.made_manager": ("accounts", "{who} made {what} a platform manager"),
    "user.manager_removed": ("accounts", "{who} took the platform role from {what}"),
    "user.erased": ("accounts", "{who} erased {what}"),
    "session.opened": ("accounts", "{who} signed in"),
    "session.refused": ("accounts", "A sign-in as {what} was refused"),
    "session.revoked": ("accounts", "{who} ended one of their sessions"),
    "user.signed_out": ("accounts", "{who} ended all other sessions of {what}"),
    "session.ended": ("accounts", "{who} signed out"),
    "email.tested": ("platform", "{who} sent a test mail"),
    "email.retried": ("platform", "{who} sent {what} again"),
    "email.dismissed": ("platform", "{who} gave up sending {what}"),
    "inbox_event.retried": ("platform", "{who} had {what} handled again"),
    "inbox_event.ignored": ("platform", "{who} ignored {what}"),
    "ledger.head_recorded": ("platform", "The head of the ledger's seals was recorded"),
    "demo.seeded": ("platform", "The demo was made"),
}
"""The group and the sentence of each action. `{who}` is the actor, `{what}` the object, `{after.x}` a value; `:size`
formats an amount, `:person` the user with that id."""

LONGEST = 80
_HOLE = re.compile(r"\{(\w+)(?:\.(\w+))?(?::(\w+))?\}")
_MONEY = re.compile(r"amount|balance|(.+_)?micros")
_MINOR = re.compile(r"(.+)_minor")


@dataclass(frozen=True, slots=True)
class Difference:
    """One value before and after the change; None if there was none."""

    field: str
    before: str | None
    after: str | None


def actions_of(group: str) -> list[str]:
    return [action for action, (its, _) in ACTIONS.items() if its == group]


def sentence(
    action: str, *, who: str, what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None,
    people: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """What happened, as plain text. An unknown action is shown as it is stored. `people`: user names by id."""
    if action not in ACTIONS:
        return f"{who}: {action.replace('_', ' ').replace('.', ' ')} ({what})"
    values: dict[str, Any] = {"who": who, "what": what, "before": before or {}, "after": after or {}}

    def fill(hole: re.Match[str]) -> str:
        name, inside, kind = hole.groups()
        value = values[name].get(inside) if inside else values[name]
        if kind == "size" and isinstance(value, int):
            return money(abs(value))
        if kind == "person":
            value = (people or {}).get(value, "somebody else")
        return short("not told" if value is None else text_of(value))

    return _HOLE.sub(fill, ACTIONS[action][1])


def differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, people: Mapping[str, str] | None = None
) -> list[Difference]:
    """What changed, value by value, as plain text with exact amounts. `people`: names for the user ids among the
    values."""
    old, new = before or {}, after or {}
    changes = []
    for name in [*old, *(name for name in new if name not in old)]:
        if name in old and name in new and old[name] == new[name]:
            continue
        label = _MINOR.sub(r"\1", name).replace("_", " ").capitalize()
        changes.append(Difference(label, *(_shown(name, values, people or {}) for values in (old, new))))
    return changes


def text_of(value: Any) -> str:
    """A JSON value on one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return orjson.dumps(value).decode()


def short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _shown(name: str, values: Mapping[str, Any], people: Mapping[str, str]) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if type(value) is int and _MONEY.fullmatch(name):
        return exact(value)
    if type(value) is int and _MINOR.fullmatch(name):
        return of_currency(value, str(values.get("currency") or "usd"))
    return people.get(value, _moment(value)) if isinstance(value, str) else text_of(value)


def _moment(text: str) -> str:
    """A time as text; any other text unchanged."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return in_words(at) if at.tzinfo else text
