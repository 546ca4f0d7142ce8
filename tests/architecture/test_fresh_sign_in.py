"""Every form's route decides whether it needs a sign-in of the last 30 minutes; a route without a decision fails.

What moves money, credit, rights or secrets, and what redirects mail or links, is asked. The others say why not.
"""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.people import sessions
from tests.architecture.matrix import PAGES, PERSON_ACT, SERVICE_KEY_ACT
from tests.architecture.tenants import Tenants, path_of
from tests.servers import Servers
from tests.web.people import Person

ASKED = "Confirm that it is you"
REASON = {"reason": "Because"}
CREDIT = {"amount": "5", "category": "goodwill", "confirm": "1", "idempotency_key": "fresh", **REASON}
PACK = {"name": "Fresh", "price": "10", "credits": "10", "grant_kind": "paid", "min_quantity": "1", "max_quantity": "5"}

ASKING: dict[str, dict[str, str]] = {
    # route: what its form needs before it would act
    "/account/email": {"email": "new@example.test"},
    "/account/erase": {},
    "/account/security/two-factor/start": {},
    "/account/security/two-factor": {},
    "/account/security/two-factor/off": {},
    "/account/security/codes": {},
    "/account/tokens": {"name": "Fresh"},
    "/account/tokens/<uuid:token_id>/revoke": {},
    "/o/<slug>/members/<uuid:member_id>/role": {"role": "viewer"},
    "/o/<slug>/members/<uuid:member_id>/remove": {},
    "/o/<slug>/members/<uuid:member_id>/transfer": {},
    "/o/<slug>/leave": {},
    "/o/<slug>/settings": {"billing_email": "elsewhere@example.test"},
    "/o/<slug>/settings/delete": {"name": "Acme"},
    "/o/<slug>/settings/identity": {"issuer": "https://login.example.test"},
    "/o/<slug>/settings/identity/remove": {},
    "/o/<slug>/limits": {"subject": "org", "amount": "5", "window": "day"},
    "/o/<slug>/limits/<uuid:limit_id>/edit": {"amount": "5"},
    "/o/<slug>/limits/<uuid:limit_id>/remove": {},
    "/o/<slug>/keys": {"name": "Fresh"},
    "/o/<slug>/keys/<uuid:key_id>/rotate": {"grace": "now"},
    "/o/<slug>/keys/<uuid:key_id>/cap": {},
    "/o/<slug>/keys/<uuid:key_id>/operator-scopes": REASON,
    "/o/<slug>/keys/<uuid:key_id>/call-limit": REASON,
    "/o/<slug>/keys/<uuid:key_id>/revoke": {},
    "/o/<slug>/usage/<uuid:event_id>/void": REASON,
    "/o/<slug>/invites": {"emails": "new@example.test", "role": "member"},
    "/o/<slug>/invites/<uuid:invite_id>/resend": {},
    "/o/<slug>/invites/<uuid:invite_id>/withdraw": {},
    "/admin/mail/<uuid:org_id>/<uuid:mail_id>/retry": {},
    "/admin/mail/<uuid:org_id>/<uuid:mail_id>/dismiss": {},
    "/admin/orgs/<uuid:org_id>/grant": CREDIT,
    "/admin/orgs/<uuid:org_id>/remove": CREDIT | {"category": "correction"},
    "/admin/orgs/<uuid:org_id>/<any(suspend, unsuspend, close, reopen):act>": REASON,
    "/admin/orgs/<uuid:org_id>/overdraft": {"amount": "5", **REASON},
    "/admin/orgs/<uuid:org_id>/external-key": {"external_key": "crm:1", **REASON},
    "/admin/external-keys/<uuid:org_id>/<any(confirm, clear):act>": {},
    PERSON_ACT: REASON,
    "/admin/service-keys": {"name": "Backend", "scopes": "wallet:charge", **REASON},
    SERVICE_KEY_ACT: REASON,
    "/admin/payments/<uuid:payment_id>/accept": {"confirm": "1", **REASON},
    "/admin/payments/<uuid:payment_id>/reject": {"confirm": "1", **REASON},
    "/admin/webhooks/<uuid:event_id>/retry": {},
    "/admin/webhooks/<uuid:event_id>/ignore": REASON,
    "/admin/catalog/packs": PACK,
    "/admin/catalog/packs/<uuid:product_id>/edit": PACK,
    "/admin/catalog/packs/<uuid:product_id>/move": {"to": "up"},
    "/admin/catalog/packs/<uuid:product_id>/price": {"anew": "1"},
    "/admin/catalog/packs/<uuid:product_id>/<any(archive, restore):act>": {},
    "/admin/catalog/metrics": {"metric_key": "fresh", "name": "Fresh", "unit": "piece", **REASON},
    "/admin/catalog/metrics/<metric_key>/price": {
        "kind": "flat",
        "amount": "1",
        "per_units": "1",
        "period": "none",
        "confirm": "1",
        **REASON,
    },
    "/admin/catalog/metrics/<metric_key>/<any(archive, restore):act>": REASON,
}

NOBODY = "nobody is signed in yet, or the person with the link in an email acts"
NOT_ASKING: dict[str, str] = {
    "/o/<slug>/buy/preview": "shows a price",
    "/o/<slug>/holds/<uuid:hold_id>/release": "gives back what was reserved; nothing is spent or given away",
    "/login": NOBODY,
    "/login/code": NOBODY,
    "/signup": NOBODY,
    "/verify": NOBODY,
    "/verify/<token>": NOBODY,
    "/forgot": NOBODY,
    "/reset/<token>": NOBODY,
    "/email-change/<token>": NOBODY,
    "/invite/<invite>/signup": NOBODY,
    "/invite/<invite>/accept": "takes what was offered to this person, and gives nothing away",
    "/invite/<invite>/decline": "refuses what was offered to this person; it can be offered again",
    "/invites/<uuid:org_id>/<uuid:invite_id>/accept": "takes what was offered to this person, and gives nothing away",
    "/invites/<uuid:org_id>/<uuid:invite_id>/decline": "refuses what was offered; it can be offered again",
    "/account": "name, time zone and theme of the person",
    "/account/zone": "the time zone of the person",
    "/account/email/call-off": "stops a change of the address, which must be quick",
    "/account/security/password": "the form asks for the password itself, and for the code where it is on",
    "/account/security/sessions/<uuid:session_id>/end": "ends a session of one's own, which must be quick",
    "/account/security/sessions/end-others": "ends sessions of one's own, which must be quick",
    "/orgs": "creates an empty organization of the person themselves",
    "/o/<slug>/buy": "leads to the provider's page, where the payer pays",
    "/o/<slug>/buy/return/check": "looks at a payment; the provider decides",
    "/o/<slug>/settings/identity/fetch": "asks the address that is set for its keys, as the worker does",
    "/admin/verify": "reads the books",
    "/admin/system/test-mail": "a mail to the manager's own address",
    "/admin/users/<uuid:user_id>/<any(grant, remove):act>": "leads to the organization's form, which asks",
    "/dummy/checkout/<session_id>": "stands in for a provider's page, never in production",
    "/styleguide/form": "an example that does nothing, never in production",
    "/invite/<invite>/switch": "signs out",
    "/logout": "signs out",
}
"""In the order in which they are tried: what signs out comes last."""

OF_MANAGERS = ("/operator-scopes", "/call-limit", "/void")
SAME_FORMS = {"/o/<slug>/catalog/packs": "/admin/catalog/packs", "/o/<slug>/prices": "/admin/catalog/metrics"}
"""The forms of an organization that sells for itself are those of the platform."""


def posts() -> set[str]:
    return {line.partition(" ")[2] for line in PAGES if line.startswith("POST ")}


def later(tenants: Tenants, rule: str, fields: dict[str, str]) -> Any:
    who: Person = tenants.team.manager if rule.endswith(OF_MANAGERS) or "/admin" in rule else tenants.team.owner
    return who.post(path_of(f"POST {rule}", tenants.own), fields)


@pytest.fixture
def old(tenants: Tenants) -> Tenants:
    """Everyone has been signed in for longer than a fresh sign-in lasts."""
    for person in tenants.team.people().values():
        assert person.token
    provider = {"issuer": "https://login.example.test", "algorithm": "HS256", "secret": "x" * 40}
    assert tenants.team.owner.post(f"/o/{tenants.own['slug']}/settings/identity", provider).status_code == 303
    with tenants.app.app_context():
        past = clock.now() - sessions.REAUTHENTICATED - timedelta(minutes=1)
        db.session.execute(db.text("UPDATE user_sessions SET reauthenticated_at = :past"), {"past": past})
    return tenants


def test_every_form_decides_whether_it_asks() -> None:
    own = {rule for rule in posts() if rule.startswith(tuple(SAME_FORMS))}
    assert posts() - own == set(ASKING) | set(NOT_ASKING)
    assert not set(ASKING) & set(NOT_ASKING)


def test_what_moves_money_or_rights_asks(old: Tenants) -> None:
    wrong = []
    for rule, fields in ASKING.items():
        answer = later(old, rule, fields)
        if (answer.status_code, ASKED in answer.text) != (403, True):
            wrong.append(f"{rule}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_what_is_said_to_be_harmless_does_not_ask(old: Tenants) -> None:
    wrong = [rule for rule in NOT_ASKING if ASKED in later(old, rule, {}).text]
    assert not wrong, "\n".join(wrong)


def test_an_organizations_own_catalog_asks_as_the_platforms_does(app: Flask, servers: Servers) -> None:
    """One set of views stands at both addresses."""
    views: dict[str, set[Any]] = {}
    for rule in app.url_map.iter_rules():
        for own, platforms in SAME_FORMS.items():
            if rule.rule.startswith((own, platforms)) and "POST" in (rule.methods or ()):
                shared = rule.rule.replace(own, platforms)
                views.setdefault(shared, set()).add(app.view_functions[rule.endpoint])
    assert all(len(found) == 1 for found in views.values())
    assert set(views) <= set(ASKING)
