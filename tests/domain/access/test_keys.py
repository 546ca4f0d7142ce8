"""Keys of organizations and people: shown once, stored as digests, bound to their scopes, ended at once."""

import runpy
from collections import Counter
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, update

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid
from dashboard.domain.access import key_changes, keys
from dashboard.domain.access.permissions import OPERATOR_SCOPES, SCOPES
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.organizations import registration
from dashboard.domain.people import personal_tokens, users
from dashboard.models import (
    PLATFORM_ORG_ID,
    ApiKey,
    AuditEntry,
    Organization,
    PersonalToken,
    User,
)
from tests.factories import make_org, make_user
from tests.servers import Servers

pytestmark = pytest.mark.usefixtures("app_context")

ROOT = Path(__file__).parents[3]


@pytest.fixture
def user(app_context: object) -> User:
    return registration.create_user(email="ada@demo.test", password="coffer-demo", mode="test")


@pytest.fixture
def org(user: User) -> Organization:
    found = users.personal_organization(user.id)
    assert found is not None
    return found


def make(org: Organization, **changes: object) -> keys.MadeKey:
    values: dict[str, object] = {"name": "server", "scopes": ["wallet:charge", "wallet:read"], "mode": "test"}
    with transaction(org.id):
        return keys.make(org, **(values | changes), by=SYSTEM)  # type: ignore[arg-type]


def make_personal(user: User, **changes: object) -> keys.MadeToken:
    values: dict[str, object] = {"name": "laptop", "scopes": ["wallet:read"]}
    with transaction(PLATFORM_ORG_ID):
        return keys.make_personal(user, **(values | changes), by=SYSTEM)  # type: ignore[arg-type]


def test_a_key_names_its_mode_and_organization_and_is_stored_as_a_digest(org: Organization) -> None:
    made = make(org)
    prefix, mode, part, secret = made.key.split("_", 3)
    assert (prefix, mode, part) == ("cof", "test", org.id.hex)
    assert len(secret) == 43
    found = keys.authenticate(made.key)
    assert isinstance(found, ApiKey)
    assert (found.id, found.organization.id, found.scopes) == (made.row.id, org.id, ["wallet:charge", "wallet:read"])
    assert secret not in repr(db.session.execute(select(ApiKey.__table__)).all())
    assert made.row.prefix == f"cof_test_…{secret[-4:]}"


def test_a_personal_token_finds_its_user(user: User) -> None:
    made = make_personal(user)
    assert made.key.startswith("cofp_")
    found = keys.authenticate(made.key)
    assert isinstance(found, PersonalToken)
    assert found.user.id == user.id


def test_what_is_not_a_key_is_refused_in_one_way(org: Organization, user: User) -> None:
    good = make(org).key
    personal = make_personal(user).key
    _, _, part, secret = good.split("_", 3)
    odd = [
        "", "cof_", "cofp_", "cof_test", f"cof_test_{part}_", "x" * 100_000, f"cof_live_{part}_{secret}",
        f"cof_test_{ids.new().hex}_{secret}", f"cof_test_{org.id}_{secret}", good + "x", good[:-1], personal[:-1],
        f"cofp_{secret}", f"cof_test_{part}_{personal.removeprefix('cofp_')}", good.upper(), "cof_test_é_é",
        "cof_\x00_a_b",
    ]  # fmt: skip
    texts = set()
    for key in odd:
        with pytest.raises(keys.InvalidKey) as refusal:
            keys.authenticate(key)
        texts.add(refusal.value.detail)
    assert len(texts) == 1


def test_revocation_takes_effect_at_once(org: Organization, user: User) -> None:
    made, personal = make(org), make_personal(user)
    with transaction(org.id):
        keys.revoke(made.row, by=SYSTEM)
    with transaction():
        personal.row.revoked_at = clock.now()
    for key in (made.key, personal.key):
        with pytest.raises(keys.InvalidKey):
            keys.authenticate(key)


def test_a_key_expires(org: Organization, user: User) -> None:
    soon = clock.now() + timedelta(hours=1)
    made = [make(org, expires_at=soon).key, make_personal(user, expires_at=soon).key]
    for key in made:
        assert keys.authenticate(key)
        with clock.at(soon), pytest.raises(keys.InvalidKey):
            keys.authenticate(key)
    with pytest.raises(Invalid) as refusal:
        make(org, expires_at=clock.now())
    assert refusal.value.field == "expires_at"


def test_a_personal_token_is_audited_without_its_secret(user: User) -> None:
    made = make_personal(user, scopes=["platform:grant"])
    entry = db.session.scalars(select(AuditEntry).filter_by(org_id=PLATFORM_ORG_ID, action="token.made")).one()
    assert (entry.object_id, entry.after) == (
        str(made.row.id), {"user": str(user.id), "name": "laptop", "scopes": ["platform:grant"]},
    )  # fmt: skip


def test_a_disabled_person_s_token_is_worthless(user: User) -> None:
    made = make_personal(user)
    with transaction():
        user.disabled_at = clock.now()
    with pytest.raises(keys.InvalidKey):
        keys.authenticate(made.key)


def test_scopes_are_known_ones_within_what_the_maker_may_give(org: Organization, user: User) -> None:
    for scopes in ([], ["wallet:everything"]):
        with pytest.raises(Invalid):
            make(org, scopes=scopes)
        with pytest.raises(Invalid):
            make_personal(user, scopes=scopes)
    with pytest.raises(keys.ScopeTooWide):
        make(org, scopes=["wallet:deposit"], grantable=SCOPES - OPERATOR_SCOPES)
    with pytest.raises(keys.ScopeTooWide):
        make(org, scopes=["org:admin"])  # for personal tokens alone
    assert make(org, scopes=["wallet:deposit", "wallet:deposit"]).row.scopes == ["wallet:deposit"]
    assert make_personal(user, scopes=["org:admin"]).row.scopes == ["org:admin"]


@pytest.mark.parametrize("name", ["", "  ", "a" * 101, "a\nb\x00"])
def test_a_key_needs_a_readable_name(org: Organization, name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make(org, name=name)
    assert refusal.value.field == "name"


def test_use_is_noted_at_most_once_a_minute(org: Organization) -> None:
    made = make(org)
    assert keys.stale(made.row)
    with transaction(org.id):
        keys.used(made.row, ip="192.0.2.1")
    assert not keys.stale(made.row)
    with clock.at(clock.now() + timedelta(seconds=61)):
        assert keys.stale(made.row)


def test_making_and_revoking_stand_in_the_audit_trail_without_the_secret(org: Organization) -> None:
    made = make(org)
    with transaction(org.id):
        keys.revoke(made.row, by=SYSTEM)
        keys.revoke(made.row, by=SYSTEM)
    entries = db.session.scalars(
        select(AuditEntry).filter_by(org_id=org.id, object_kind="api_key").order_by(AuditEntry.id)
    ).all()
    assert [entry.action for entry in entries] == ["key.made", "key.revoked"]
    secret = made.key.split("_", 3)[3]
    assert secret not in repr([(entry.before, entry.after) for entry in entries])
    assert keys.of_org(org.id) == [made.row]
    assert keys.find(org.id, made.row.id) is made.row
    assert keys.find(ids.new(), made.row.id) is None


def test_one_person_has_a_bounded_number_of_working_tokens() -> None:
    user, other = make_user(), make_user()
    first = make_personal(user)
    for _ in range(keys.MOST_LIVING - 1):
        make_personal(user)
    with pytest.raises(keys.TooManyKeys):
        make_personal(user)
    make_personal(other)
    with transaction(PLATFORM_ORG_ID):
        personal_tokens.revoke(first.row, by=SYSTEM)
    make_personal(user)


def test_the_upgrade_tells_the_platforms_keys_from_the_organizations(servers: Servers) -> None:
    """A key that the organization's people rotated is theirs, with all that it came from."""
    owner, manager = make_user(), make_user(manager=True)
    org = make_org(owner=owner)
    people, outside = Actor("user", owner.id), Actor("manager", manager.id)

    def new(by: Actor, old: ApiKey | None = None) -> ApiKey:
        with transaction(org.id):
            if old:
                old.issued_by = "org"  # as it was: anybody could rotate it
                return key_changes.rotate(
                    old, grace="1h", by=by, made_by=by.id or owner.id, grantable=frozenset(old.scopes)
                ).row
            values = {"name": "x", "scopes": ["wallet:read"], "mode": "test"}
            return keys.make(org, **values, by=by, made_by=by.id).row  # type: ignore[arg-type]

    commands, managers, owners, taken = new(SYSTEM), new(outside), new(people), new(SYSTEM)
    new(outside, managers)
    new(people, taken)
    with transaction(org.id) as session:
        session.execute(update(ApiKey).values(issued_by="org"))
    [file] = (ROOT / "migrations" / "versions").glob("*_key_issuers.py")
    migration = runpy.run_path(str(file))
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as database:
        database.execute(migration["ISSUERS"])
        found = database.execute("SELECT coalesce(replaces_id, id), issued_by FROM api_keys").fetchall()
    assert Counter(found) == Counter(
        {(commands.id, "platform"): 1, (managers.id, "platform"): 2, (owners.id, "org"): 1, (taken.id, "org"): 2}
    )
