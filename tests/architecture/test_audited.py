"""Each write of money, rights and configuration leaves an entry: every route that writes says which, or why none."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.domain.audit import words
from dashboard.models import AuditEntry
from tests.architecture.bodies import body_of
from tests.architecture.matrix import CALLS, PAGES, SERVICE_KEY_ACT
from tests.architecture.tenants import Tenants, fresh, path_of
from tests.factories import PASSWORD

PACK = {
    "name": "Audited", "price": "10", "credits": "10", "bonus": "", "grant_kind": "paid", "min_quantity": "1",
    "max_quantity": "5", "expires_days": "", "description": "", "active": "1",
}  # fmt: skip
METRIC = {"metric_key": "fresh", "name": "Fresh", "unit": "piece", "reason": "Because"}
PRICE = {"kind": "flat", "amount": "0", "free_units": "7", "per_units": "1", "period": "none", "reason": "Because"}
MONEY = {"amount": "1", "category": "goodwill", "reason": "Because", "confirm": "1"}

FORMS: dict[str, tuple[str, dict[str, str], str]] = {
    # route and method: who sends what, and the entry that it leaves
    "POST /orgs": ("stranger", {"name": "Fresh"}, "organization.made"),
    "POST /o/<slug>/members/<uuid:member_id>/role": ("owner", {"role": "member"}, "member.role_changed"),
    "POST /o/<slug>/members/<uuid:member_id>/remove": ("owner", {}, "member.removed"),
    "POST /o/<slug>/leave": ("viewer", {}, "member.left"),
    "POST /o/<slug>/settings": ("owner", {"name": "Renamed"}, "organization.changed"),
    "POST /o/<slug>/keys": ("owner", {"name": "New", "scopes": "wallet:read", "mode": "test"}, "key.made"),
    "POST /o/<slug>/limits": ("owner", {"subject": "org", "amount": "5", "window": "day"}, "limit.created"),
    "POST /o/<slug>/limits/<uuid:limit_id>/edit": ("owner", {"amount": "6"}, "limit.changed"),
    "POST /o/<slug>/limits/<uuid:limit_id>/remove": ("owner", {}, "limit.removed"),
    "POST /o/<slug>/keys/<uuid:key_id>/rotate": ("owner", {"grace": "7d"}, "key.rotated"),
    "POST /o/<slug>/keys/<uuid:key_id>/cap": ("owner", {"cap": "5", "cap_window": "day"}, "key.cap_changed"),
    "POST /o/<slug>/keys/<uuid:key_id>/operator-scopes": (
        "manager", {"scopes": "wallet:deposit", "reason": "Asked for"}, "key.scopes_changed",
    ),
    "POST /o/<slug>/keys/<uuid:key_id>/call-limit": (
        "manager", {"call_limit": "1000", "reason": "Asked for"}, "key.call_limit_changed",
    ),
    "POST /o/<slug>/keys/<uuid:key_id>/revoke": ("owner", {}, "key.revoked"),
    "POST /o/<slug>/invites": ("owner", {"emails": "new@example.test", "role": "viewer"}, "invite.sent"),
    "POST /o/<slug>/invites/<uuid:invite_id>/resend": ("owner", {}, "invite.resent"),
    "POST /o/<slug>/invites/<uuid:invite_id>/withdraw": ("owner", {}, "invite.revoked"),
    "POST /o/<slug>/holds/<uuid:hold_id>/release": ("owner", {}, "hold.released"),
    "POST /account/tokens": ("admin", {"name": "Mine", "scopes": "wallet:read"}, "token.made"),
    "POST /account/tokens/<uuid:token_id>/revoke": ("owner", {}, "token.revoked"),
    "POST /account/security/sessions/end-others": ("admin", {}, "user.signed_out"),
    "POST /account/security/password": (
        "admin", {"password": PASSWORD, "new_password": "quite another phrase 42"}, "user.password_changed",
    ),
    "POST /o/<slug>/usage/<uuid:event_id>/void": ("manager", {"reason": "Sent twice"}, "usage.voided"),
    "POST /admin/mail/<uuid:org_id>/<uuid:mail_id>/retry": ("manager", {}, "email.retried"),
    "POST /admin/mail/<uuid:org_id>/<uuid:mail_id>/dismiss": ("manager", {}, "email.dismissed"),
    "POST /admin/orgs/<uuid:org_id>/grant": ("manager", MONEY, "credits.granted"),
    "POST /admin/orgs/<uuid:org_id>/remove": ("manager", MONEY | {"category": "correction"}, "credits.removed"),
    "POST /admin/webhooks/<uuid:event_id>/retry": ("manager", {}, "inbox_event.retried"),
    "POST /admin/webhooks/<uuid:event_id>/ignore": ("manager", {"reason": "Not ours"}, "inbox_event.ignored"),
    "POST /admin/system/test-mail": ("manager", {}, "email.tested"),
    "POST /admin/catalog/packs": ("manager", PACK, "product.created"),
    "POST /admin/catalog/packs/<uuid:product_id>/edit": ("manager", PACK | {"revision": "1"}, "product.changed"),
    "POST /admin/catalog/packs/<uuid:product_id>/move": ("manager", {"to": "down"}, "product.moved"),
    "POST /admin/catalog/packs/<uuid:product_id>/<any(archive, restore):act>": ("manager", {}, "product.changed"),
    "POST /admin/catalog/metrics": ("manager", METRIC, "metric.created"),
    "POST /admin/catalog/metrics/<metric_key>/price": ("manager", PRICE | {"confirm": "1"}, "price.set"),
    "POST /admin/orgs/<uuid:org_id>/external-key": (
        "manager", {"external_key": "crm-7", "reason": "Because"}, "external_key.set",
    ),
    "POST /admin/service-keys": (
        "manager", {"name": "Backend", "scopes": "wallet:charge", "reason": "Because"}, "key.made",
    ),
    f"POST {SERVICE_KEY_ACT}": ("manager", {"reason": "Because"}, "key.revoked"),
    "POST /logout": ("member", {}, "session.ended"),
    "POST /o/<slug>/members/<uuid:member_id>/transfer": ("owner", {}, "ownership.transferred"),
    "POST /admin/orgs/<uuid:org_id>/overdraft": ("manager", MONEY, "overdraft.changed"),
    "POST /admin/orgs/<uuid:org_id>/<any(suspend, unsuspend, close, reopen):act>": (
        "manager", {"reason": "Because"}, "organization.suspended",
    ),
}  # fmt: skip

PROGRAMS: dict[str, tuple[dict[str, Any] | None, str]] = {
    # route and method: what is sent instead of the matrix's body, and the entry that it leaves
    "POST /api/v1/orgs": (None, "organization.made"),
    "PATCH /api/v1/orgs/<org:org_id>": ({"name": "Renamed again"}, "organization.changed"),
    "PATCH /api/v1/orgs/<org:org_id>/members/<uuid:id>": ({"role": "member"}, "member.role_changed"),
    "DELETE /api/v1/orgs/<org:org_id>/members/<uuid:id>": (None, "member.removed"),
    "POST /api/v1/orgs/<org:org_id>/members": (None, "invite.sent"),
    "POST /api/v1/orgs/<org:org_id>/invites": (None, "invite.sent"),
    "POST /api/v1/orgs/<org:org_id>/invites/<uuid:id>/resend": (None, "invite.resent"),
    "DELETE /api/v1/orgs/<org:org_id>/invites/<uuid:id>": (None, "invite.revoked"),
    "POST /api/v1/orgs/<org:org_id>/checkout": (None, "payment.created"),
    "POST /api/v1/orgs/<org:org_id>/limits": (None, "limit.created"),
    "PATCH /api/v1/orgs/<org:org_id>/limits/<uuid:id>": ({"amount_micros": 7}, "limit.changed"),
    "DELETE /api/v1/orgs/<org:org_id>/limits/<uuid:id>": (None, "limit.removed"),
    "POST /api/v1/orgs/<org:org_id>/api-keys": (None, "key.made"),
    "PATCH /api/v1/orgs/<org:org_id>/api-keys/<uuid:key_id>": (
        {"cap": {"amount_micros": 5_000_000, "window": "day"}}, "key.cap_changed",
    ),
    "POST /api/v1/orgs/<org:org_id>/api-keys/<uuid:key_id>/rotate": (None, "key.rotated"),
    "DELETE /api/v1/orgs/<org:org_id>/api-keys/<uuid:key_id>": (None, "key.revoked"),
    "PUT /api/v1/orgs/<org:org_id>/identity-provider": (None, "identity_provider.set"),
    "DELETE /api/v1/orgs/<org:org_id>/identity-provider": (None, "identity_provider.removed"),
    "POST /admin/api/v1/transactions": (None, "credits.granted"),
    "POST /api/v1/orgs/<org:org_id>/wallet": (None, "credits.deposited"),
    "PATCH /admin/api/v1/orgs/<org:id>": ({"overdraft_limit_micros": 5, "reason": "Because"}, "overdraft.changed"),
    "POST /admin/api/v1/metrics": (None, "metric.created"),
    "POST /admin/api/v1/metrics/<metric_key>/prices": (None, "price.set"),
    "POST /admin/api/v1/products": (None, "product.created"),
    "PATCH /admin/api/v1/products/<uuid:id>": ({"name": "Renamed"}, "product.changed"),
    "DELETE /admin/api/v1/products/<uuid:id>": (None, "product.changed"),
    "POST /api/v1/orgs/<org:org_id>/usage/events/<uuid:id>/void": (None, "usage.voided"),
    "POST /api/v1/orgs/<org:org_id>/ownership-transfer": (None, "ownership.transferred"),
}  # fmt: skip

ELSEWHERE = {
    # what it takes does not stand in this tenants: the entry it leaves, shown by a test of its own
    "POST /login": "session.opened", "POST /login/code": "session.opened", "POST /signup": "organization.made",
    "POST /verify/<token>": "user.verified", "POST /reset/<token>": "user.password_reset",
    "POST /account/security/sessions/<uuid:session_id>/end": "session.revoked",
    "POST /account/security/two-factor": "user.second_factor_on",
    "POST /account/security/two-factor/off": "user.second_factor_off",
    "POST /account/security/codes": "user.recovery_codes_made", "POST /o/<slug>/buy": "payment.created",
    "POST /o/<slug>/buy/return/check": "payment.credited", "POST /o/<slug>/settings/delete": "organization.closed",
    "POST /invite/<invite>/accept": "invite.accepted", "POST /invite/<invite>/decline": "invite.declined",
    "POST /invite/<invite>/signup": "invite.accepted", "POST /invite/<invite>/switch": "session.ended",
    "POST /invites/<uuid:org_id>/<uuid:invite_id>/accept": "invite.accepted",
    "POST /invites/<uuid:org_id>/<uuid:invite_id>/decline": "invite.declined",
    "POST /o/<slug>/settings/identity": "identity_provider.set",
    "POST /o/<slug>/settings/identity/remove": "identity_provider.removed",
    "POST /admin/users/<uuid:user_id>/<any(sessions, factor, disable, enable, promote, demote, erase):act>":
        "user.disabled",
    "POST /account/email": "user.email_change_asked", "POST /account/email/call-off": "user.email_change_called_off",
    "POST /email-change/<token>": "user.email_changed", "POST /account/erase": "user.erased",
    "POST /api/v1/invites/accept": "invite.accepted", "POST /api/v1/invites/decline": "invite.declined",
    "POST /admin/payments/<uuid:payment_id>/accept": "payment.accepted",
    "POST /admin/payments/<uuid:payment_id>/reject": "payment.rejected",
    "POST /admin/catalog/packs/<uuid:product_id>/price": "price.replaced",
    "DELETE /api/v1/orgs/<org:org_id>": "organization.closed",
    "POST /admin/external-keys/<uuid:org_id>/<any(confirm, clear):act>": "external_key.confirmed",
    **{
        line: line_of
        for end, line_of in {
            "packs": "product.created", "edit": "product.changed", "move": "product.moved", "price": "price.replaced",
            "<any(archive, restore):act>": "product.changed",
        }.items()
        for line in PAGES
        if line.startswith("POST /o/<slug>/catalog/packs") and line.endswith(end)
    },
    "POST /admin/catalog/metrics/<metric_key>/<any(archive, restore):act>": "metric.archived",
    "POST /o/<slug>/prices": "metric.created", "POST /o/<slug>/prices/<metric_key>/price": "price.set",
    "POST /o/<slug>/prices/<metric_key>/<any(archive, restore):act>": "metric.archived",
    "PUT /api/v1/orgs/<org:org_id>/metrics": "metric.created", "PUT /api/v1/orgs/<org:org_id>/prices": "price.set",
    "POST /api/v1/orgs/<org:org_id>/products": "product.created",
    "PATCH /api/v1/orgs/<org:org_id>/products/<uuid:id>": "product.changed",
    "DELETE /api/v1/orgs/<org:org_id>/products/<uuid:id>": "product.changed",
}  # fmt: skip

NONE = {
    "POST /o/<slug>/buy/preview": "shows a price; a code that does not work is noted as promotion.refused",
    "POST /verify": "mails a link",
    "POST /forgot": "mails a link",
    "POST /account": "one's own name and looks",
    "POST /account/zone": "one's own time zone",
    "POST /account/security/two-factor/start": "changes nothing until the first code",
    "POST /admin/verify": "reads the books",
    "POST /api/v1/orgs/<org:org_id>/usage": "the event and its charge are the record",
    "POST /api/v1/orgs/<org:org_id>/usage/charge": "the charges are the record",
    "POST /api/v1/orgs/<org:org_id>/usage/batch": "the events and their charges are the record",
    "POST /api/v1/orgs/<org:org_id>/holds": "the hold and its steps are the record",
    "POST /api/v1/orgs/<org:org_id>/holds/<uuid:id>/extend": "the hold's step is the record",
    "POST /api/v1/orgs/<org:org_id>/holds/<uuid:id>/capture": "the hold's step and its charge are the record",
    "POST /api/v1/orgs/<org:org_id>/holds/<uuid:id>/release": "the hold's step is the record",
    "POST /o/<slug>/settings/identity/fetch": "asks for keys again",
    "POST /styleguide/form": "keeps nothing",
    "POST /dummy/checkout/<session_id>": "plays the payment provider",
    "POST /admin/users/<uuid:user_id>/<any(grant, remove):act>": "leads to the organization's form",
    "POST /admin/api/v1/webhooks/payments": "the inbox is the record",
    "POST /api/v1/payments/stripe/webhooks/<project_id>/<mode>": "the inbox is the record",
}


def writes() -> Iterator[str]:
    yield from (line for line in [*PAGES, *CALLS] if not line.startswith("GET "))


def test_every_write_says_which_entry_it_leaves_or_why_none() -> None:
    told = [*FORMS, *PROGRAMS, *ELSEWHERE, *NONE]
    assert len(told) == len(set(told))
    assert set(writes()) - set(told) == set(), "say in tests/architecture/test_audited.py which entry it leaves"
    assert set(told) - set(writes()) == set()
    said = {action for _, _, action in FORMS.values()} | {action for _, action in PROGRAMS.values()}
    assert said | set(ELSEWHERE.values()) <= words.ACTIONS.keys()


def newest(tenants: Tenants) -> list[AuditEntry]:
    with tenants.app.app_context():
        return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(6)))


def test_forms_leave_the_entry_that_they_say(tenants: Tenants) -> None:
    wrong = []
    for line, (who, fields, action) in FORMS.items():
        things = fresh(tenants)
        if "invite_id" in line:
            things |= tenants.invite(tenants.org)
        before = {entry.id for entry in newest(tenants)}
        form = {"idempotency_key": str(uuid4()), "key": str(uuid4()), **fields}
        answer = getattr(tenants.team, who).post(path_of(line, things), form)
        left = [entry.action for entry in newest(tenants) if entry.id not in before]
        if action not in left:
            wrong.append(f"{line}: {answer.status_code}, left {left}, not {action}")
    assert not wrong, "\n".join(wrong)


def test_calls_leave_the_entry_that_they_say(tenants: Tenants) -> None:
    wrong = []
    for line, (body, action) in PROGRAMS.items():
        things, method = fresh(tenants), line.partition(" ")[0]
        if "/invites/" in line:
            things |= tenants.invite(tenants.org)
        good = body_of(line, str(things["org_id"]), str(things["id"]), str(things["member_id"]))
        operators = "/admin/" in line or line.endswith("/void")
        token = tenants.tokens["manager" if operators else "full" if line.endswith("/wallet") else "owner"]
        before = {entry.id for entry in newest(tenants)}
        answer = tenants.app.test_client().open(
            path_of(line, things), method=method, headers={"Authorization": f"Bearer {token}"},
            json=None if method == "DELETE" else good if body is None else body,
        )  # fmt: skip
        left = [entry for entry in newest(tenants) if entry.id not in before]
        if action not in [entry.action for entry in left]:
            wrong.append(
                f"{line}: {answer.status_code} {answer.get_data(as_text=True)[:200]}, left {left}, not {action}"
            )
        if left and not all(entry.request_id and entry.ip for entry in left):
            wrong.append(f"{line}: left without its request or address")
    assert not wrong, "\n".join(wrong)
