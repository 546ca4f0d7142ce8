"""The table "state x act" of an organization and its wallet, on every surface: pages and API answer alike."""

from collections.abc import Callable
from typing import Any, Self

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.organizations import memberships
from dashboard.models import Organization, User
from tests import factories
from tests.servers import Servers
from tests.web.people import Person, unseen

STATES = ("active", "blocked", "frozen", "suspended", "closed")
GONE = (404, "not_found")
STOPPED = (403, "org_suspended")

# fmt: off
BY_PROGRAM: dict[str, tuple[Any, ...]] = {
    # act                 active  blocked                       frozen                  suspended closed
    "read":              (200,    200,                          200,                    200,      GONE),
    "read the ledger":   (200,    200,                          200,                    200,      GONE),
    "read members":      (200,    200,                          200,                    200,      GONE),
    "charge":            (201,    (402, "insufficient_funds"),  (402, "wallet_frozen"), STOPPED,  GONE),
    "buy":               (201,    201,                          201,                    STOPPED,  GONE),
    "change a role":     (200,    200,                          200,                    STOPPED,  GONE),
    "change settings":   (200,    200,                          200,                    STOPPED,  GONE),
    "deposit":           (201,    201,                          201,                    201,      GONE),
}
BY_PERSON: dict[str, tuple[int, ...]] = {
    # act                 active  blocked  frozen  suspended  closed
    "read":              (200,    200,     200,    200,       404),
    "read the ledger":   (200,    200,     200,    200,       404),
    "read members":      (200,    200,     200,    200,       404),
    "buy":               (303,    303,     303,    403,       404),
    "change a role":     (303,    303,     303,    403,       404),
    "remove a member":   (303,    303,     303,    403,       404),
    "invite":            (303,    303,     303,    403,       404),
    "change settings":   (303,    303,     303,    403,       404),
    "make a key":        (303,    303,     303,    403,       404),
    "leave":             (303,    303,     303,    403,       404),
}
# fmt: on


class Tenants:
    """An organization in one state, with an owner who tries everything."""

    def __init__(self, app: Flask, state: str) -> None:
        self.app = app
        with app.app_context():
            self.owner = factories.make_user()
            self.org = factories.make_org(owner=self.owner, funds=0 if state == "blocked" else 1_000_000)
            self.viewer, self.gone, self.second = (factories.add_member(self.org, role) for role in
                                                   ("viewer", "viewer", "owner"))  # fmt: skip
            self.member, self.leaver = self._id(self.viewer), self._id(self.gone)
            self.key = factories.make_key(self.org, "wallet:read", "wallet:charge", "wallet:deposit", "checkout:create")
            self.token = factories.make_token(self.owner, "org:admin", "members:write")
            self.pack = factories.make_pack().product.id
            manager = factories.make_user(manager=True)
            self.manager_token = factories.make_token(manager, "wallet:read")
            self._put_into(state)
            self.emails = self.owner.email, self.second.email, manager.email

    @classmethod
    def ready(cls, app: Flask, servers: Servers, state: str) -> Self:
        """One in clean tables: a copy of the first, with browsers in which nobody has signed in yet."""
        made = servers.once(f"an organization that is {state}", lambda: cls(app, state))
        made.person, made.other, made.manager = (Person(app, email, later=True) for email in made.emails)
        return made

    def _id(self, user: User) -> Any:
        row = memberships.of_person(self.org.id, user.id)
        assert row is not None
        return row.id

    def _put_into(self, state: str) -> None:
        with transaction(org=self.org.id):
            org = db.session.get_one(Organization, self.org.id)
            if state == "frozen":
                factories.wallet_of(org).frozen_at = clock.now()
            elif state in ("suspended", "closed"):
                setattr(org, f"{state}_at", clock.now())

    def call(self, method: str, path: str, body: Any = None, *, bearer: str = "") -> TestResponse:
        headers = {"Authorization": f"Bearer {bearer or self.key}"}
        return self.app.test_client().open(
            f"/api/v1/orgs/{self.org.id}{path}", method=method, json=body, headers=headers
        )

    def program(self, act: str) -> TestResponse:
        urls = {"success_url": "http://localhost/ok", "cancel_url": "http://localhost/no"}
        acts: dict[str, Callable[[], TestResponse]] = {
            "read": lambda: self.call("GET", "/wallet"),
            "read the ledger": lambda: self.call("GET", "/transactions"),
            "read members": lambda: self.call("GET", "/members", bearer=self.token),
            "charge": lambda: self.call("POST", "/wallet", {"operation": "charge", "amount_micros": 5}),
            "deposit": lambda: self.call("POST", "/wallet", {"operation": "deposit", "amount_micros": 5}),
            "buy": lambda: self.call("POST", "/checkout", {"product_id": str(self.pack), **urls}),
            "change a role": lambda: self.call(
                "PATCH", f"/members/{self.member}", {"role": "member"}, bearer=self.token
            ),
            "change settings": lambda: self.call("PATCH", "", {"name": "New"}, bearer=self.token),
        }
        return acts[act]()

    def _order(self, path: str) -> dict[str, Any]:
        """The buy form, with what its page hides in it; while suspended there is none."""
        page = self.person.get(path).text
        told = unseen(page) if 'id="buy-form"' in page else {}
        return {"product_id": str(self.pack), "quantity": "1", **told}

    def page(self, act: str) -> TestResponse:
        o, post = f"/o/{self.org.slug}", self.person.post
        acts: dict[str, Callable[[], TestResponse]] = {
            "read": lambda: self.person.get(f"{o}/"),
            "read the ledger": lambda: self.person.get(f"{o}/transactions"),
            "read members": lambda: self.person.get(f"{o}/members"),
            "buy": lambda: post(f"{o}/buy", self._order(f"{o}/buy")),
            "change a role": lambda: post(f"{o}/members/{self.member}/role", {"role": "member"}),
            "remove a member": lambda: post(f"{o}/members/{self.leaver}/remove"),
            "invite": lambda: post(f"{o}/invites", {"emails": "new@example.test", "role": "viewer"}),
            "change settings": lambda: post(f"{o}/settings", {"name": "New"}),
            "make a key": lambda: post(f"{o}/keys", {"name": "Prod", "scopes": "wallet:read"}),
            "leave": lambda: self.other.post(f"{o}/leave"),
        }
        return acts[act]()


@pytest.mark.parametrize("state", STATES)
def test_programs_are_answered_as_the_table_says(app: Flask, servers: Servers, state: str) -> None:
    tenants, wrong = Tenants.ready(app, servers, state), []
    for act, expected in BY_PROGRAM.items():
        answer, wanted = tenants.program(act), expected[STATES.index(state)]
        got = (answer.status_code, answer.get_json()["code"]) if answer.status_code >= 400 else answer.status_code
        if got != wanted:
            wrong.append(f"{act}: {got}, not {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("state", STATES)
def test_people_are_answered_as_the_table_says(app: Flask, servers: Servers, state: str) -> None:
    tenants, wrong = Tenants.ready(app, servers, state), []
    for act, expected in BY_PERSON.items():
        answer, wanted = tenants.page(act), expected[STATES.index(state)]
        if answer.status_code != wanted:
            wrong.append(f"{act}: {answer.status_code}, not {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("state", STATES)
def test_operators_read_in_every_state(app: Flask, servers: Servers, state: str) -> None:
    tenants = Tenants.ready(app, servers, state)
    for path in ("/", "/transactions", "/members"):
        assert tenants.manager.get(f"/o/{tenants.org.slug}{path}").status_code == 200
    assert tenants.call("GET", "/wallet", bearer=tenants.manager_token).status_code == 200
    page = tenants.manager.get(f"/admin/orgs/{tenants.org.id}")
    assert page.status_code == 200
    assert ("This organization is suspended" in tenants.manager.get(f"/o/{tenants.org.slug}/").text) == (
        state == "suspended"
    )


def test_a_repeated_charge_is_told_again_in_any_state_but_closed(app: Flask, servers: Servers) -> None:
    """What was answered before stays answered where the organization can be read; nothing moves twice."""
    tenants = Tenants.ready(app, servers, "active")
    body = {"operation": "charge", "amount_micros": 5, "idempotency_key": "once"}
    assert tenants.call("POST", "/wallet", body).status_code == 201
    with app.app_context():
        tenants._put_into("frozen")
    again = tenants.call("POST", "/wallet", body)
    assert (again.status_code, again.headers["Idempotent-Replay"]) == (201, "true")
