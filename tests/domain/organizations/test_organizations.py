"""Organizations and members: how they are made, found, and where a sign-in leads."""

import pytest

from dashboard.core import clock, ids
from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import wallets
from dashboard.domain.organizations import memberships, organizations, registration, user_organizations
from dashboard.domain.people import users
from dashboard.models import Organization, User
from tests.each import each

pytestmark = pytest.mark.usefixtures("app_context")


def person(name: str) -> User:
    return registration.create_user(email=f"{name}@demo.test", password="coffer-demo", name=name, mode="test")


def team(name: str, owner: User, slug: str | None = None) -> Organization:
    org_id = ids.new()
    with transaction(org_id):
        return organizations.make_team(name, org_id=org_id, owner=owner, by=SYSTEM, slug=slug)


@each(
    ("name", "slug"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("  Crème & Brûlée!  ", "creme-brulee"),
        ("数学", "org"),
        ("<script>", "script"),
        ("a" * 100_000, "a" * 40),
    ],
)
def test_slugs_are_plain(name: str, slug: str) -> None:
    assert organizations.slug_of(name) == slug


def test_a_team_has_its_owner_both_wallets_and_its_slug() -> None:
    owner = person("ada")
    org = team("Analytical Engines", owner, "demo")
    assert (org.slug, org.kind, org.funding) == ("demo", "team", "platform")
    assert organizations.by_slug("demo") is org
    assert organizations.by_id(org.id) is org
    assert {wallets.of_organization(org.id, mode).balance for mode in ("test", "live")} == {0}
    assert memberships.role_of(owner.id, org.id) == "owner"


def test_a_chosen_slug_is_unique_and_a_derived_one_makes_room() -> None:
    owner = person("ada")
    team("One", owner, "demo")
    with pytest.raises(organizations.SlugTaken):
        team("Two", owner, "demo")
    assert team("Demo", owner).slug.startswith("demo-")


def test_an_address_leads_to_the_organization_and_the_role_in_it() -> None:
    owner, stranger = person("ada"), person("bob")
    org = team("Demo", owner, "demo")
    entry = memberships.by_slug("demo", owner.id)
    assert entry == memberships.OrgMembership(org, "owner")
    assert memberships.by_slug("demo", stranger.id) == memberships.OrgMembership(org, None)
    assert memberships.named(str(org.id), owner.id, token_of=clock.now()) == entry
    assert memberships.by_slug("none", owner.id) is None
    assert memberships.named(str(ids.new()), owner.id, token_of=clock.now()) is None


def test_members_are_added_once() -> None:
    owner, bob = person("ada"), person("bob")
    org = team("Demo", owner, "demo")
    with transaction(org.id):
        memberships.add(org, bob, role="viewer", by=SYSTEM)
    assert memberships.role_of(bob.id, org.id) == "viewer"
    with pytest.raises(memberships.AlreadyMember), transaction(org.id):
        memberships.add(org, bob, role="admin", by=SYSTEM)
    with transaction(org.id):
        membership = memberships.add(org, person_outside := owner_of_none(), role="member", by=SYSTEM)
        membership.removed_at = clock.now()
    assert memberships.role_of(person_outside.id, org.id) is None
    assert memberships.by_slug("demo", person_outside.id) == memberships.OrgMembership(org, None)


def owner_of_none() -> User:
    found = users.by_email("manager@demo.test")
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def manager(app_context: object) -> User:
    return registration.create_user(email="manager@demo.test", password="coffer-demo", manager=True, mode="test")


def test_a_sign_in_leads_to_the_last_organization_else_a_team_before_the_personal_one() -> None:
    ada = person("ada")
    personal = users.personal_organization(ada.id)
    assert personal is not None
    assert user_organizations.landing(ada) is personal
    org = team("Zeta", ada)
    assert user_organizations.landing(ada) is org
    with transaction():
        users.opened(ada, personal.id)
    assert user_organizations.landing(ada) is personal
    with transaction(personal.id):
        personal.closed_at = clock.now()
    assert user_organizations.landing(ada) is org


def test_managers_lead_nowhere(manager: User) -> None:
    assert user_organizations.landing(manager) is None
