"""The only owner of an organization gets out of it only after a hand-over, whichever way is tried."""

from sqlalchemy import func, select

from dashboard.core.db import db, transaction
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import memberships
from dashboard.domain.people import users
from dashboard.domain.platform import erasure
from dashboard.models import Membership
from tests import factories
from tests.api.conftest import Program, problem


def test_the_only_owner_goes_only_after_a_hand_over(program: Program) -> None:
    """Also one who did not make the organization."""
    maker = program.make(factories.make_user)
    org = program.org(owner=maker)
    owner = program.make(factories.add_member, org, "owner")
    program.make(factories.add_member, org, "viewer")
    with program.app.app_context(), transaction(org=org.id):
        memberships.change_role(member(org.id, maker.id), role="member", by=Actor("user", owner.id))
    path, token = f"/api/v1/orgs/{org.id}", program.token(owner, "org:admin", "members:write")
    with program.app.app_context():
        own, other = str(member(org.id, owner.id).id), str(member(org.id, maker.id).id)

    def go() -> list[int]:
        """Leave or be removed, step down, delete the account; as statuses."""
        said = [
            program.call("PATCH", f"{path}/members/{own}", token, json={"role": "member"}).status_code,
            program.call("DELETE", f"{path}/members/{own}", token).status_code,
        ]
        with program.app.app_context():
            found = users.by_id(owner.id)
            assert found is not None
            try:
                erasure.erase(found, reason="They asked for it", by=Actor("user", owner.id))
            except memberships.LastOwner as refusal:
                return [*said, refusal.status]
            return [*said, 200]

    def owners() -> int:
        with program.app.app_context():
            active = select(func.count()).select_from(Membership).filter_by(org_id=org.id, removed_at=None)
            return db.session.scalar(active.filter_by(role="owner")) or 0

    assert (go(), owners()) == ([409, 409, 409], 1)
    program.post(f"{path}/invites", token, json={"email": "new@example.test", "role": "owner"})
    [waiting] = program.get(f"{path}/invites", token).get_json()["data"]
    for invited in (waiting["id"], str(maker.id)):
        answer = program.post(f"{path}/ownership-transfer", token, json={"member_id": invited})
        problem(answer, 404, "not_found")
    assert (go(), owners()) == ([409, 409, 409], 1)
    assert program.post(f"{path}/ownership-transfer", token, json={"member_id": other}).status_code == 200
    assert (go(), owners()) == ([200, 200, 200], 1)


def member(org_id, user_id):  # type: ignore[no-untyped-def]
    row = memberships.of_person(org_id, user_id)
    assert row is not None
    return row
