"""A POST that moves no money counts once per key, however often it is sent, and whatever is cut off."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from dashboard.api.idempotency import HEADER, REPLAY_HEADER
from dashboard.core import clock, crypto
from dashboard.core.db import db, transaction
from dashboard.domain.access import first_answers, key_changes
from dashboard.domain.audit import Actor
from dashboard.jobs import purge
from dashboard.models import ApiKey, FirstAnswer, Invite, Membership, Organization, User
from tests import factories
from tests.api.conftest import Program, problem

INVITE = {"email": "ann@example.test", "role": "member"}


@pytest.fixture
def org(program: Program) -> Organization:
    return program.org(owner=program.make(factories.make_user))


def invite(program: Program, org: Any, key: str, name: str | None = "k1", **body: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {key}"} | ({HEADER: name} if name is not None else {})
    path = f"/api/v1/orgs/{org.id}/invites"
    return program.app.test_client().post(path, json=INVITE | body, headers=headers)


def stored(program: Program) -> list[FirstAnswer]:
    with program.app.app_context():
        return list(db.session.query(FirstAnswer))


def alter(program: Program, **values: Any) -> None:
    with program.app.app_context(), transaction():
        db.session.execute(update(FirstAnswer).values(values))


def invites_of(program: Program, org: Any) -> int:
    with program.app.app_context():
        return db.session.query(Invite).filter_by(org_id=org.id).count()


def test_the_first_answer_comes_again(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    first, again = invite(program, org, key), invite(program, org, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert (REPLAY_HEADER in first.headers, again.headers[REPLAY_HEADER]) == (False, "true")
    assert first.headers[HEADER] == again.headers[HEADER] == "k1"
    assert invites_of(program, org) == 1
    in_body = program.post(f"/api/v1/orgs/{org.id}/invites", key, json=INVITE | {"idempotency_key": "k1"})
    assert in_body.headers[REPLAY_HEADER] == "true"


def test_without_a_key_one_is_made_and_told(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    first = invite(program, org, key, None)
    again = invite(program, org, key, first.headers[HEADER])
    assert (again.status_code, again.headers[REPLAY_HEADER], again.data) == (201, "true", first.data)


def test_another_body_or_two_keys_that_differ_are_refused(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    invite(program, org, key)
    problem(invite(program, org, key, role="viewer"), 422, "idempotency_key_reused")
    told = problem(invite(program, org, key, idempotency_key="k2"), 422, "invalid")
    assert told["errors"][0]["field"] == "idempotency_key"
    for odd in ("", "k" * 256, "k\x7f1", " ", "\x00"):
        problem(invite(program, org, key, None, idempotency_key=odd), 422, "invalid")
    for odd in (1, ["k1"], None):
        assert invite(program, org, key, None, idempotency_key=odd, email="b@example.test").status_code in (201, 422)
    assert len(stored(program)) == 2


def test_keys_of_paths_modes_organizations_and_callers_are_apart(program: Program, org: Organization) -> None:
    owner = program.make(factories.make_user)
    team, other = program.org("Team", owner=owner), program.org("Other")
    tokens = [
        program.key(team, "members:write"), program.key(team, "members:write", mode="live"),
        program.key(team, "members:write", by=Actor("user", owner.id)), program.token(owner, "members:write"),
    ]  # fmt: skip
    for number, token in enumerate(tokens):
        assert invite(program, team, token, email=f"a{number}@example.test").status_code == 201
    assert invite(program, other, program.key(other, "members:write")).status_code == 201
    path = f"/api/v1/orgs/{team.id}/members"
    added = program.post(path, tokens[0], json=INVITE | {"email": "z@example.test"}, headers={HEADER: "k1"})
    assert added.status_code == 201
    assert len(stored(program)) == 6


def test_a_refusal_is_not_remembered(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    problem(invite(program, org, key, role="nobody"), 422, "invalid")
    invite(program, org, key, "k0")
    problem(invite(program, org, key), 409, "already_invited")
    assert len(stored(program)) == 1
    assert invite(program, org, key, email="bob@example.test").status_code == 201


def test_a_secret_is_never_stored(program: Program, org: Organization) -> None:
    token = program.token(program.make(owner_of, org), "org:admin", "wallet:read")
    path, body = f"/api/v1/orgs/{org.id}/api-keys", {"name": "x", "scopes": ["wallet:read"]}
    made = program.post(path, token, json=body, headers={HEADER: "k1"}).get_json()
    again = problem(program.post(path, token, json=body, headers={HEADER: "k1"}), 409, "already_created")
    assert again["id"] == made["id"]
    (row,) = stored(program)
    assert (row.body, str(row.made_id)) == ("", made["id"])
    rotated = program.post(f"{path}/{made['id']}/rotate", token, json={"grace": "now"}, headers={HEADER: "k1"})
    told = program.post(f"{path}/{made['id']}/rotate", token, json={"grace": "now"}, headers={HEADER: "k1"})
    assert problem(told, 409, "already_created")["id"] == rotated.get_json()["id"]
    with program.app.app_context():
        assert db.session.query(ApiKey).filter_by(org_id=org.id).count() == 2


def owner_of(org: Organization) -> Any:
    return db.session.query(User).join(Membership, Membership.user_id == User.id).filter_by(org_id=org.id).one()


def test_a_caller_with_less_does_not_get_the_answer(program: Program, org: Organization) -> None:
    invite(program, org, program.key(org, "members:write"))
    problem(invite(program, org, program.key(org, "wallet:read")), 403, "forbidden")
    wider = program.key(org, "members:write", "wallet:read")
    assert invite(program, org, wider).headers[REPLAY_HEADER] == "true"


def test_a_rotated_key_continues_what_the_old_one_began(program: Program, org: Organization) -> None:
    person = program.make(owner_of, org)
    by = Actor("user", person.id)
    first = invite(program, org, program.key(org, "members:write", by=by))
    with program.app.app_context(), transaction(org=org.id):
        old = db.session.query(ApiKey).filter_by(org_id=org.id).one()
        new = key_changes.rotate(old, grace="now", by=by, made_by=person.id, grantable=frozenset(old.scopes))
    again = invite(program, org, new.key)
    assert (again.headers[REPLAY_HEADER], again.data) == ("true", first.data)


def test_twenty_at_once_act_once(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: invite(program, org, key), range(20)))
    assert {one.status_code for one in answers} <= {201, 409}
    assert len({one.data for one in answers if one.status_code == 201}) == 1
    for one in answers:
        if one.status_code == 409:
            assert problem(one, 409, "request_in_progress")["retryable"] is True
            assert one.headers["Retry-After"] == "1"
    assert invites_of(program, org) == 1
    assert invite(program, org, key).headers[REPLAY_HEADER] == "true"


def test_a_request_that_was_cut_off_before_it_acted_is_carried_out(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    invite(program, org, key, "k0", email="bob@example.test")
    alter(program, status=None, body=None, acted=False)
    problem(invite(program, org, key, "k0", email="bob@example.test"), 409, "request_in_progress")
    alter(program, claimed_at=clock.now() - timedelta(minutes=2))
    with program.app.app_context(), transaction(org=org.id):
        db.session.query(Invite).filter_by(org_id=org.id).update({"state": "revoked"})
    assert invite(program, org, key, "k0", email="bob@example.test").status_code == 201


def test_a_request_that_was_cut_off_after_it_acted_is_not_repeated(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    invite(program, org, key)
    alter(program, status=None, body=None, claimed_at=clock.now() - timedelta(minutes=2))
    assert problem(invite(program, org, key), 409, "outcome_unknown")["retryable"] is False
    assert invites_of(program, org) == 1


def test_who_lost_the_claim_changes_nothing(program: Program, org: Organization) -> None:
    """A request that hangs for minutes, and another one with its key that took over, act once together."""
    key = program.key(org, "members:write")
    with program.app.app_context(), transaction():
        slow = first_answers.claim(request_of(org))
        assert isinstance(slow, first_answers.Claim)
    alter(program, claimed_at=clock.now() - timedelta(minutes=2))
    with program.app.app_context():
        with transaction():
            fast = first_answers.claim(request_of(org))
        assert isinstance(fast, first_answers.Claim)
        for claimed, works in ((slow, False), (fast, True)):
            try:
                with transaction(org=org.id):
                    first_answers.acting(claimed)
            except first_answers.RequestInProgress:
                assert not works
            else:
                assert works
        with transaction():
            first_answers.release(slow, failed=False)
            first_answers.release(fast, failed=True)
    assert [row.acted for row in stored(program)] == [True]
    assert invite(program, org, key).status_code == 201


def request_of(org: Organization) -> first_answers.KeyedRequest:
    return first_answers.KeyedRequest(org.id, "api:test", "/x", "k", crypto.digest("x"), ())


def test_a_failure_before_it_acted_is_forgotten(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    blocked(program, org, lambda: problem(invite(program, org, key), 503, "unavailable"))
    assert stored(program) == []
    assert invite(program, org, key).status_code == 201


def blocked(program: Program, org: Organization, act: Callable[[], object]) -> None:
    """While somebody else holds the organization for longer than the lock timeout."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with program.app.app_context(), transaction(org=org.id):
            db.session.execute(db.select(Organization).filter_by(id=org.id).with_for_update())
            held.set()
            done.wait(14)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    act()
    done.set()
    thread.join()


def test_answers_are_kept_for_a_day_and_not_for_ever(program: Program, org: Organization) -> None:
    key = program.key(org, "members:write")
    invite(program, org, key)
    for age, left in ((timedelta(hours=24), 1), (first_answers.KEPT, 0)):
        alter(program, claimed_at=clock.now() - age - timedelta(seconds=1))
        with program.app.app_context():
            purge.purge("")
        assert len(stored(program)) == left
