"""The table of permissions, cell by cell, and what an organization's state stops."""

from uuid import uuid4

import pytest

from dashboard.core import clock
from dashboard.core.errors import Forbidden, NotFound
from dashboard.domain import org_status
from dashboard.domain.access import permissions
from dashboard.domain.access.permissions import (
    OPERATOR_SCOPES,
    PERSONAL_SCOPES,
    ROLES,
    SCOPES,
    SERVICE_SCOPES,
    TABLE,
    Caller,
    Verb,
    allowed,
    assignable,
    grantable,
)
from dashboard.domain.audit import Actor
from dashboard.domain.org_status import OrgAction
from dashboard.models import ApiKey, Organization, PersonalToken, User
from tests.each import each

ACTOR = Actor("user", uuid4())
PEOPLE: dict[Verb, str] = {
    Verb.READ_BALANCE: "owner admin member viewer operator",
    Verb.READ_OWN_ROWS: "owner admin member viewer operator",
    Verb.READ_LEDGER: "owner admin viewer operator",
    Verb.READ_PAYMENTS: "owner admin viewer operator",
    Verb.READ_CATALOG: "owner admin member viewer operator",
    Verb.READ_MEMBERS: "owner admin member viewer operator",
    Verb.READ_INVITES: "owner admin viewer operator",
    Verb.READ_AUDIT: "owner admin viewer operator",
    Verb.BUY: "owner admin",
    Verb.CHARGE: "",
    Verb.HOLD: "",
    Verb.RELEASE_HOLDS: "owner admin",
    Verb.READ_OWN_USAGE: "owner admin member viewer operator",
    Verb.READ_USAGE: "owner admin viewer operator",
    Verb.RECORD_USAGE: "",
    Verb.PROVISION: "",
    Verb.VOID_USAGE: "operator",
    Verb.VOID_OWN_USAGE: "owner admin operator",
    Verb.MANAGE_PRICES: "operator",
    Verb.READ_PRICES: "owner admin viewer operator",
    Verb.MANAGE_OWN_PRICES: "owner admin",
    Verb.DEPOSIT: "operator",
    Verb.GRANT: "operator",
    Verb.MANAGE_CATALOG: "operator",
    Verb.MANAGE_OWN_CATALOG: "owner admin",
    Verb.READ_OWN_CATALOG: "owner admin viewer operator",
    Verb.MANAGE_MEMBERS: "owner admin",
    Verb.LEAVE: "owner admin member viewer",
    Verb.MANAGE_ORG: "owner",
    Verb.READ_BILLING: "owner admin",
    Verb.READ_EXTERNAL_KEY: "owner admin viewer",
    Verb.MANAGE_IDENTITY_PROVIDER: "owner",
    Verb.MANAGE_KEYS: "owner admin operator",
    Verb.MANAGE_OWN_KEYS: "owner admin member viewer operator",
    Verb.CAP_KEYS: "owner admin",
    Verb.READ_LIMITS: "owner admin member viewer operator",
    Verb.MANAGE_LIMITS: "owner admin",
    Verb.PLATFORM_READ: "operator",
    Verb.PLATFORM_GRANT: "operator",
    Verb.MANAGE_PLATFORM: "operator",
}


@each("verb", Verb)
def test_people_at_a_page(verb: Verb) -> None:
    callers = {role: Caller(ACTOR, role) for role in ROLES} | {"operator": Caller(ACTOR, operator=True)}
    assert {name for name, caller in callers.items() if allowed(verb, caller)} == set(PEOPLE[verb].split())
    assert not allowed(verb, Caller(ACTOR))


@each("verb", Verb)
def test_a_key_has_its_scopes_and_nothing_else(verb: Verb) -> None:
    scope = TABLE[verb].scope
    fitting = Caller(ACTOR, scopes=frozenset({scope or "none"}), key=True)
    others = Caller(ACTOR, scopes=SCOPES - {scope}, key=True)
    assert allowed(verb, fitting) == (scope is not None)
    assert not allowed(verb, others)


@each("verb", Verb)
def test_a_personal_token_never_has_more_than_its_user(verb: Verb) -> None:
    for role in (*ROLES, None):
        for operator in (False, True):
            everything = Caller(ACTOR, role, SCOPES, operator)
            nothing = Caller(ACTOR, role, frozenset(), operator)
            assert not allowed(verb, nothing)
            if verb in (Verb.CHARGE, Verb.HOLD, Verb.RECORD_USAGE):
                assert allowed(verb, everything) == (role in ("owner", "admin", "member"))
            else:
                has_scope = TABLE[verb].scope is not None
                assert allowed(verb, everything) == (has_scope and allowed(verb, Caller(ACTOR, role, None, operator)))


def test_a_manager_who_is_demoted_keeps_nothing_of_the_platform_in_a_token() -> None:
    token = PersonalToken(id=uuid4(), scopes=["platform:grant", "platform:read", "wallet:deposit"])
    manager = User(id=uuid4(), platform_role="platform_manager")
    assert allowed(Verb.PLATFORM_GRANT, permissions.of_token(token, manager, None))
    manager.platform_role = "standard"
    caller = permissions.of_token(token, manager, "owner")
    assert not any(allowed(verb, caller) for verb in (Verb.PLATFORM_GRANT, Verb.PLATFORM_READ, Verb.DEPOSIT))


def test_strangers_get_404_and_wrong_roles_or_scopes_403() -> None:
    with pytest.raises(NotFound):
        permissions.require(Verb.READ_BALANCE, Caller(ACTOR))
    with pytest.raises(Forbidden, match="owners and admins"):
        permissions.require(Verb.BUY, Caller(ACTOR, "viewer"))
    with pytest.raises(Forbidden, match="wallet:charge"):
        permissions.require(Verb.CHARGE, Caller(ACTOR, scopes=frozenset({"wallet:read"}), key=True))
    with pytest.raises(Forbidden):
        permissions.require(Verb.PLATFORM_READ, Caller(ACTOR))
    permissions.require(Verb.BUY, Caller(ACTOR, "admin"))


def test_who_acts_is_named_by_what_they_are_there() -> None:
    manager = User(id=uuid4(), platform_role="platform_manager")
    assert permissions.of_person(manager, None).actor == Actor("manager", manager.id)
    assert permissions.of_person(manager, "owner").actor == Actor("user", manager.id)
    key = ApiKey(id=uuid4(), scopes=["wallet:read"])
    assert permissions.of_key(key).actor == Actor("key", key.id)
    assert not permissions.of_key(key).stranger


def test_a_service_key_has_only_what_its_kind_may_have_and_no_other_key_provisions() -> None:
    """Whatever its row says."""
    everything = sorted(SCOPES | SERVICE_SCOPES)
    callers = {
        kind: permissions.of_key(ApiKey(id=uuid4(), scopes=everything, issued_by="platform", service=kind == "service"))
        for kind in ("service", "org")
    }
    of_service = {verb for verb in Verb if allowed(verb, callers["service"])}
    assert of_service == {verb for verb in Verb if TABLE[verb].scope in SERVICE_SCOPES}
    assert of_service >= {Verb.CHARGE, Verb.DEPOSIT, Verb.READ_BALANCE, Verb.PROVISION}
    for refused in ("members", "keys", "org", "platform", "grant", "audit", "catalog", "identity"):
        assert not [verb for verb in of_service if refused in verb and verb != "read_catalog"], refused
    assert not allowed(Verb.PROVISION, callers["org"])
    assert not any(allowed(Verb.PROVISION, Caller(ACTOR, role, SCOPES, True)) for role in ROLES)


def test_a_key_gets_no_scope_that_its_maker_lacks() -> None:
    given = {role: grantable(Caller(ACTOR, role)) for role in ROLES}
    assert given["owner"] == given["admin"] == SCOPES - OPERATOR_SCOPES - PERSONAL_SCOPES
    assert given["member"] == {"wallet:charge", "holds:write", "usage:write", "catalog:read"}
    assert given["viewer"] == {"wallet:read", "usage:read", "payments:read", "catalog:read", "audit:read"}
    assert grantable(Caller(ACTOR)) == frozenset()
    assert grantable(Caller(ACTOR, operator=True)) == OPERATOR_SCOPES | given["viewer"]  # they spend and lead nowhere
    assert grantable(Caller(ACTOR, "owner", frozenset({"wallet:read"}))) == {"wallet:read"}


def test_nobody_gives_a_role_above_their_own() -> None:
    given = {role: assignable(Caller(ACTOR, role)) for role in ROLES}
    assert given == {"owner": ROLES, "admin": ("admin", "member", "viewer"), "member": (), "viewer": ()}
    assert assignable(Caller(ACTOR, operator=True)) == assignable(Caller(ACTOR)) == ()
    members = frozenset({"members:write"})
    assert (
        assignable(Caller(ACTOR, "owner", members)) == assignable(Caller(ACTOR, scopes=members, key=True)) == ROLES[1:]
    )
    assert assignable(Caller(ACTOR, "owner", members | {"org:admin"})) == ROLES
    assert assignable(Caller(ACTOR, scopes=frozenset({"wallet:read"}), key=True)) == ()


def test_a_suspended_organization_is_read_and_nothing_else() -> None:
    org = Organization(suspended_at=clock.now())
    org_status.require_state(OrgAction.READ, org)
    for act in (OrgAction.SPEND, OrgAction.BUY, OrgAction.MEMBERS):
        with pytest.raises(org_status.OrgSuspended):
            org_status.require_state(act, org)


def test_a_closed_organization_is_gone_except_for_operators_who_read() -> None:
    org = Organization(closed_at=clock.now())
    for act in OrgAction:
        with pytest.raises(NotFound):
            org_status.require_state(act, org)
    org_status.require_state(OrgAction.READ, org, operator=True)
    with pytest.raises(NotFound):
        org_status.require_state(OrgAction.BUY, org, operator=True)


def test_an_active_organization_stops_nothing() -> None:
    org = Organization()
    for act in OrgAction:
        org_status.require_state(act, org)
    assert (org.suspended_at, org.closed_at) == (None, None)
