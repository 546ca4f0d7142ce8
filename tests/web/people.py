"""People at a browser: signed in through the form, with the token that the forms carry."""

import re
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import PASSWORD, add_member, make_org, make_user
from tests.servers import Servers

HTMX = {"HX-Request": "true"}


COOKIES = ("coffer", "coffer-device")


@dataclass(frozen=True)
class SignedIn:
    """What a browser holds after a sign-in."""

    cookies: dict[str, str]
    token: str


class Person:
    """One browser, signed in at once, or when it is `later` used for the first time, or `already`."""

    def __init__(self, app: Flask, email: str, *, later: bool = False, already: SignedIn | None = None) -> None:
        self._app = app
        self.email = email
        self._already = already
        if not later and not already:
            self.sign_in()

    @cached_property
    def client(self) -> FlaskClient:
        client = self._app.test_client()
        if self._already:
            for name, value in self._already.cookies.items():
                client.set_cookie(name, value)
            return client
        page = client.get("/login").text
        form = {"email": self.email, "password": PASSWORD, "csrf_token": token_in(page), "next": "/no-organization"}
        assert client.post("/login", data=form).status_code == 303
        return client

    @cached_property
    def token(self) -> str:
        """What the forms of this browser's session carry."""
        return self._already.token if self._already else token_in(self.client.get("/no-organization").text)

    def sign_in(self) -> Self:
        """Now, for a test to whom the moment matters."""
        self._already = None
        assert self.client
        return self

    def signed_in(self) -> SignedIn:
        found = {name: self.client.get_cookie(name) for name in COOKIES}
        return SignedIn({name: cookie.value for name, cookie in found.items() if cookie}, self.token)

    def get(self, path: str, *, htmx: bool = False) -> TestResponse:
        return self.client.get(path, headers=HTMX if htmx else {})

    def post(self, path: str, fields: dict[str, Any] | None = None, *, htmx: bool = False) -> TestResponse:
        """Sends a form of ours, with the token that all forms of this session carry."""
        form = {**(fields or {}), "csrf_token": self.token}
        return self.client.post(path, data=form, headers=HTMX if htmx else {})


@dataclass(frozen=True)
class Team:
    """An organization with one browser for each role, one for a stranger to it and one for a platform manager."""

    org_id: UUID
    slug: str
    owner: Person
    admin: Person
    member: Person
    viewer: Person
    stranger: Person
    manager: Person

    def anew(self, app: Flask) -> "Team":
        """The same people with other browsers."""
        people = {name: Person(app, found.email, later=True) for name, found in self.people().items()}
        return replace(self, **people)

    def people(self) -> dict[str, Person]:
        every = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: found for name, found in every.items() if isinstance(found, Person)}


def ready_team(app: Flask, servers: Servers, *, funds: int = 0) -> Team:
    """A team in clean tables, everyone signed in: a copy of the first, which took longer than most tests do."""

    def make() -> tuple[UUID, str, dict[str, tuple[str, SignedIn]]]:
        team = make_team(app, funds=funds)
        return team.org_id, team.slug, {name: (one.email, one.signed_in()) for name, one in team.people().items()}

    org_id, slug, people = servers.once(f"a team with {funds}", make)
    return Team(org_id, slug, **{name: Person(app, email, already=held) for name, (email, held) in people.items()})


def make_team(app: Flask, *, funds: int = 0) -> Team:
    """A new team, where there is one already or the moment of its making matters.

    Each person is signed in when first used: most tests use one or two.
    """
    with app.app_context():
        owner = make_user(name="Olga Owner")
        org = make_org(owner=owner, funds=funds)
        emails = {"owner": owner.email}
        for role in ("admin", "member", "viewer"):
            emails[role] = add_member(org, role, user=make_user(name=f"{role.capitalize()} Person")).email
        emails["stranger"] = make_user().email
        emails["manager"] = make_user(manager=True).email
        org_id, slug = org.id, org.slug
    return Team(org_id, slug, **{name: Person(app, email, later=True) for name, email in emails.items()})


def token_in(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return found[1]


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name}"
    return found[1]


def unseen(page: str) -> dict[str, Any]:
    """All hidden fields of a buy form but the token, as a browser sends them."""
    form = page[page.index('id="buy-form"') :]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(value)
    return {name: values if values[1:] else values[0] for name, values in fields.items() if name != "csrf_token"}
