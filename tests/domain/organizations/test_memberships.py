"""Members: who may give which role to whom, what ends with a membership, and that an owner is always left."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.core.errors import CofferError, Forbidden, Invalid, NotFound
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import ROLES
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.messages import outbox
from dashboard.domain.org_status import OrgSuspended
from dashboard.domain.organizations import memberships, ownership, user_organizations
from dashboard.domain.organizations.key_handover import Handover
from dashboard.domain.organizations.memberships import LastOwner, RoleTooHigh
from dashboard.domain.organizations.organizations import PersonalOrganization
from dashboard.domain.organizations.ownership import CannotOwn
from dashboard.domain.people import users
from dashboard.models import (
    ApiKey,
    AuditEntry,
    Invite,
    Membership,
    Organization,
    OutboxEmail,
    PersonalToken,
    User,
)
from tests.factories import add_member, make_org, make_token, make_user
from tests.servers import Servers

pytestmark = pytest.mark.usefixtures("app_context")


class Team:
    """An organization with a second owner and one of each other role."""

    def __init__(self, org_id: UUID, owner_id: UUID, people: dict[str, UUID]) -> None:
        self.org, self.owner = db.session.get_one(Organization, org_id), db.session.get_one(User, owner_id)
        self.people = {role: db.session.get_one(User, user_id) for role, user_id in people.items()}

    def member(self, who: User | str) -> Membership:
        user = self.people[who] if isinstance(who, str) else who
        return db.session.scalars(select(Membership).filter_by(org_id=self.org.id, user_id=user.id)).one()

    def change(self, who: User | str, role: str, by: Actor, *, end_keys: bool = False) -> None:
        with transaction(org=self.org.id):
            memberships.change_role(self.member(who), role=role, by=by, end_keys=end_keys)

    def remove(self, who: User | str, by: Actor, *, end_keys: bool = False) -> Handover:
        with transaction(org=self.org.id):
            return memberships.remove(self.member(who), by=by, end_keys=end_keys)

    def transfer(self, who: User | str, by: Actor) -> None:
        with transaction(org=self.org.id):
            ownership.transfer(self.member(who), by=by)

    def role(self, who: User | str) -> str | None:
        return memberships.role_of((self.people[who] if isinstance(who, str) else who).id, self.org.id)

    def actor(self, who: str) -> Actor:
        return Actor("key", ids.new()) if who == "key" else Actor("user", self.people[who].id)

    def key(self, who: str, *scopes: str) -> ApiKey:
        with transaction(org=self.org.id):
            return keys.make(
                self.org, name="Theirs", scopes=scopes, mode="test", by=SYSTEM, made_by=self.people[who].id
            ).row


@pytest.fixture
def team(servers: Servers) -> Team:
    return Team(*servers.once("an organization with everyone", everyone))


def everyone() -> tuple[UUID, UUID, dict[str, UUID]]:
    owner = make_user(name="Olga Owner")
    org = make_org(owner=owner)
    return org.id, owner.id, {role: add_member(org, role).id for role in ROLES}


def entry(org_id: UUID) -> AuditEntry:
    return db.session.scalars(select(AuditEntry).filter_by(org_id=org_id).order_by(AuditEntry.id.desc()).limit(1)).one()


# who acts, on whom, new role -> the refusal
MAY = [
    ("owner", "admin", "owner", None),
    ("owner", "admin", "viewer", None),
    ("owner", "viewer", "admin", None),
    ("admin", "viewer", "admin", None),
    ("admin", "member", "viewer", None),
    ("admin", "admin", "member", None),
    ("key", "member", "admin", None),
    ("admin", "member", "owner", RoleTooHigh),
    ("admin", "owner", "member", RoleTooHigh),
    ("key", "member", "owner", RoleTooHigh),
    ("key", "owner", "viewer", RoleTooHigh),
    ("member", "viewer", "member", Forbidden),
    ("viewer", "viewer", "owner", Forbidden),
]


@pytest.mark.parametrize(("who", "whom", "role", "refusal"), MAY)
def test_roles_are_given_up_to_ones_own(
    team: Team, who: str, whom: str, role: str, refusal: type[CofferError] | None
) -> None:
    before = team.role(whom)
    if refusal:
        with pytest.raises(refusal):
            team.change(whom, role, team.actor(who))
        assert team.role(whom) == before
    else:
        team.change(whom, role, team.actor(who))
        assert team.role(whom) == role
        told = entry(team.org.id)
        assert (told.action, told.before and told.before["role"], told.after) == (
            "member.role_changed", before, {"role": role},
        )  # fmt: skip


def test_a_person_who_lost_the_role_gives_none(team: Team) -> None:
    admin = team.actor("admin")
    team.remove("admin", SYSTEM)
    with pytest.raises(NotFound):
        team.change("member", "viewer", admin)
    with pytest.raises(NotFound):  # a platform manager from outside
        team.change("member", "viewer", Actor("manager", make_user(manager=True).id))
    assert team.role("member") == "member"


def test_a_role_must_be_one_and_the_same_again_changes_nothing(team: Team) -> None:
    with pytest.raises(Invalid):
        team.change("member", "emperor", SYSTEM)
    before = entry(team.org.id).id
    team.change("member", "member", team.actor("owner"))
    assert entry(team.org.id).id == before


def test_a_removed_member_is_a_stranger_and_their_invite_ends(team: Team) -> None:
    user = team.people["member"]
    with transaction(org=team.org.id):
        mails = {user.email.upper(): "pending", "someone@example.test": "pending"}
        for address, state in mails.items():
            db.session.add(
                Invite(org_id=team.org.id, email=address, role="admin", token_hash=address.encode(), state=state,
                       expires_at=clock.now())
            )  # fmt: skip
    team.remove("member", team.actor("admin"))
    assert team.role("member") is None
    assert memberships.by_slug(team.org.slug, user.id) == memberships.OrgMembership(team.org, None)
    states = db.session.execute(select(Invite.email, Invite.state)).all()
    assert {tuple(row) for row in states} == {(user.email.upper(), "revoked"), ("someone@example.test", "pending")}
    actions = set(db.session.scalars(select(AuditEntry.action).filter_by(org_id=team.org.id)))
    assert "member.removed" in actions
    with pytest.raises(NotFound):
        team.remove("member", team.actor("admin"))


@pytest.mark.parametrize(("who", "whom"), [("admin", "owner"), ("key", "owner"), ("member", "viewer")])
def test_nobody_removes_above_themselves(team: Team, who: str, whom: str) -> None:
    with pytest.raises(Forbidden):
        team.remove(whom, team.actor(who))
    assert team.role(whom) == whom


def test_everyone_may_leave(team: Team) -> None:
    for role in ROLES:
        team.remove(role, team.actor(role))
        assert entry(team.org.id).action == "member.left"
        assert team.role(role) is None


def holder_and_life(key: ApiKey) -> tuple[UUID | None, bool]:
    """Whose a key is, and whether it works."""
    row = db.session.get_one(ApiKey, (key.org_id, key.id), populate_existing=True)
    return row.created_by, row.revoked_at is None


def test_production_continues_with_keys_of_the_remover(team: Team) -> None:
    """Keys that let others in or hold an operator's scope end; a programs' keys only change hands."""
    member, admin = team.people["member"].id, team.people["admin"].id
    passing = [team.key("member", *scopes) for scopes in (["wallet:charge"], ["wallet:read"], ["checkout:create"])]
    ending = [team.key("member", "wallet:charge", scope) for scope in ("members:write", "wallet:deposit")]
    others = team.key("viewer", "wallet:read")
    handed = team.remove("member", team.actor("admin"))
    assert ([key.id for key in handed.passing], [key.id for key in handed.ending]) == (
        [key.id for key in passing], [key.id for key in ending],
    )  # fmt: skip
    assert [holder_and_life(key) for key in passing] == [(admin, True)] * 3
    assert [holder_and_life(key) for key in ending] == [(member, False)] * 2
    assert holder_and_life(others) == (team.people["viewer"].id, True)
    found = db.session.scalars(select(AuditEntry).filter_by(org_id=team.org.id, action="key.handed_over")).all()
    assert {(one.object_id, str(one.before), str(one.after)) for one in found} == {
        (str(key.id), str({"holder": str(member)}), str({"holder": str(admin)})) for key in passing
    }


def test_all_keys_of_a_removed_member_may_end(team: Team) -> None:
    key = team.key("member", "wallet:charge")
    team.remove("member", team.actor("admin"), end_keys=True)
    assert holder_and_life(key) == (team.people["member"].id, False)


def test_keys_of_a_leaver_pass_to_the_longest_owner(team: Team) -> None:
    key, own = team.key("member", "wallet:charge"), team.key("owner", "wallet:charge")
    team.remove("member", team.actor("member"))
    assert holder_and_life(key) == (team.owner.id, True)
    with transaction():
        team.owner.disabled_at = clock.now()
    second = add_member(team.org, "owner")
    team.remove("owner", team.actor("owner"))
    assert holder_and_life(own) == (second.id, True)


def test_a_key_that_removes_hands_over_to_its_holder_or_to_an_owner(team: Team) -> None:
    acting, first, second = team.key("admin", "members:write"), team.key("member", "wallet:charge"), None
    team.remove("member", Actor("key", acting.id))
    assert holder_and_life(first) == (team.people["admin"].id, True)
    second = team.key("viewer", "wallet:read")
    team.change("admin", "member", SYSTEM)
    team.remove("viewer", Actor("key", acting.id))
    assert holder_and_life(second) == (team.owner.id, True)


def test_of_a_lower_role_only_the_keys_beyond_it_change_hands(team: Team) -> None:
    admin, owner = team.people["admin"].id, team.people["owner"].id
    charging, reading = team.key("admin", "wallet:charge"), team.key("admin", "wallet:read")
    given, letting_in = team.key("admin", "wallet:deposit"), team.key("admin", "members:write")
    team.change("admin", "member", team.actor("owner"))
    assert [holder_and_life(key) for key in (charging, given, reading, letting_in)] == [
        (admin, True), (admin, True), (owner, True), (admin, False),
    ]  # fmt: skip
    team.change("admin", "viewer", team.actor("owner"), end_keys=True)
    assert [holder_and_life(key) for key in (charging, reading)] == [(admin, False), (owner, True)]


def test_a_personal_token_does_not_come_back_with_its_person(team: Team) -> None:
    user, other = team.people["member"], make_org()
    add_member(other, "member", user=user)
    old = keys.authenticate(make_token(user, "wallet:read"))
    team.remove("member", team.actor("owner"))
    add_member(team.org, "viewer", user=user)
    new = keys.authenticate(make_token(user, "wallet:read"))

    def role(org: Organization, token: ApiKey | PersonalToken) -> str | None:
        found = memberships.named(str(org.id), user.id, token_of=token.created_at)
        return found.role if found else None

    assert [role(org, token) for org in (team.org, other) for token in (old, new)] == [
        None, "viewer", "member", "member",
    ]  # fmt: skip
    assert [entry.org.id for entry in user_organizations.listed(user.id) if entry.org.id == team.org.id] == [
        team.org.id
    ]


def test_the_last_active_owner_stays(team: Team) -> None:
    team.change("owner", "admin", Actor("user", team.owner.id))
    for attempt in (lambda by: team.change(team.owner, "admin", by), lambda by: team.remove(team.owner, by)):
        for by in (Actor("user", team.owner.id), SYSTEM):
            with pytest.raises(LastOwner):
                attempt(by)
    assert team.role(team.owner) == "owner"


def test_a_disabled_owner_does_not_count(team: Team) -> None:
    with transaction():
        team.people["owner"].disabled_at = clock.now()
    with pytest.raises(LastOwner):
        team.remove(team.owner, Actor("user", team.owner.id))
    team.remove("owner", Actor("user", team.owner.id))
    with pytest.raises(LastOwner, match="Acme"), transaction():
        memberships.require_other_owners(team.owner)


def test_an_account_may_go_where_others_own(team: Team) -> None:
    alone = make_org("Alone & Co", owner=team.owner)
    with pytest.raises(LastOwner) as refusal, transaction():
        memberships.require_other_owners(team.owner)
    assert "Alone & Co" in refusal.value.detail
    assert "Acme" not in refusal.value.detail
    with transaction(org=alone.id):
        alone.closed_at = clock.now()
    with transaction():
        memberships.require_other_owners(team.owner)
        memberships.require_other_owners(team.people["viewer"])


def test_ownership_moves_in_one_step_and_both_are_told(team: Team) -> None:
    team.transfer("member", Actor("user", team.owner.id))
    assert (team.role("member"), team.role(team.owner)) == ("owner", "admin")
    told = entry(team.org.id)
    assert told.action == "ownership.transferred"
    mails = db.session.scalars(select(OutboxEmail).filter_by(org_id=team.org.id, event="ownership_transferred")).all()
    assert {mail.to_address: mail.context["yours"] for mail in mails} == {
        team.owner.email: False, team.people["member"].email: True,
    }  # fmt: skip
    letters = {mail.to_address: outbox.rendered(mail) for mail in mails}
    assert letters[team.people["member"].email].subject == "You are now an owner of Acme"
    assert "you are an admin" in letters[team.owner.email].text


REFUSED: dict[str, Any] = {"owner": CannotOwn, "self": CannotOwn, "gone": NotFound, "disabled": CannotOwn}


@pytest.mark.parametrize(("whom", "refusal"), REFUSED.items())
def test_only_a_member_who_can_sign_in_takes_over(team: Team, whom: str, refusal: type[CofferError]) -> None:
    by = Actor("user", team.owner.id)
    if whom == "gone":
        team.remove("viewer", by)
    if whom == "disabled":
        with transaction():
            team.people["viewer"].disabled_at = clock.now()
    target: User | str = {"self": team.owner, "owner": "owner"}.get(whom, "viewer")
    with pytest.raises(refusal):
        team.transfer(target, by)
    assert team.role(team.owner) == "owner"


@pytest.mark.parametrize("who", ["admin", "member", "viewer"])
def test_only_an_owner_hands_over(team: Team, who: str) -> None:
    with pytest.raises(Forbidden):
        team.transfer("viewer" if who != "viewer" else "member", team.actor(who))
    with pytest.raises(NotFound):
        team.transfer("viewer", team.actor("key"))


def test_a_personal_organization_is_one_persons(team: Team) -> None:
    own = users.personal_organization(team.owner.id)
    assert own is not None
    with pytest.raises(PersonalOrganization), transaction(org=own.id):
        memberships.add(own, team.people["viewer"], role="viewer", by=SYSTEM)
    mine = db.session.scalars(select(Membership).filter_by(org_id=own.id)).one()
    with pytest.raises(LastOwner), transaction(org=own.id):
        memberships.remove(mine, by=Actor("user", team.owner.id))


@pytest.mark.parametrize(("state", "refusal"), [("suspended_at", OrgSuspended), ("closed_at", NotFound)])
def test_members_stay_as_they_are_while_it_is_suspended_or_closed(
    team: Team, state: str, refusal: type[CofferError]
) -> None:
    with transaction(org=team.org.id):
        setattr(db.session.get_one(Organization, team.org.id), state, clock.now())
    by = Actor("user", team.owner.id)
    for attempt in (
        lambda: team.change("member", "viewer", by),
        lambda: team.remove("member", by),
        lambda: team.transfer("member", by),
    ):
        with pytest.raises(refusal):
            attempt()
