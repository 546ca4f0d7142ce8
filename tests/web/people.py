"""People at a browser: signed in through the form, with the token that the forms carry."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import PASSWORD, add_member, make_org, make_user

HTMX = {"HX-Request": "true"}


class Person:
    """One browser, signed in at once, or when it is `later` used for the first time."""

    def __init__(self, app: Flask, email: str, *, later: bool = False) -> None:
        self._app = app
        self._email = email
        if not later:
            self.sign_in()

    @cached_property
    def client(self) -> FlaskClient:
        client = self._app.test_client()
        page = client.get("/login").text
        form = {"email": self._email, "password": PASSWORD, "csrf_token": token_in(page), "next": "/no-organization"}
        assert client.post("/login", data=form).status_code == 303
        return client

    def sign_in(self) -> Self:
        """Now, for a test to whom the moment matters."""
        assert self.client
        return self

    def get(self, path: str, *, htmx: bool = False) -> TestResponse:
        return self.client.get(path, headers=HTMX if htmx else {})

    def post(self, path: str, fields: dict[str, Any] | None = None, *, htmx: bool = False) -> TestResponse:
        """Sends a form of ours: its token is taken from a page of this browser."""
        token = token_in(self.client.get("/no-organization").text)
        form = {**(fields or {}), "csrf_token": token}
        return self.client.post(path, data=form, headers=HTMX if htmx else {})


@dataclass(frozen=True)
class Team:
    """An organization with one browser for each role, one for a stranger to it and one for a platform manager.

    Each is signed in when it is first used: most tests use one or two.
    """

    org_id: UUID
    slug: str
    owner: Person
    admin: Person
    member: Person
    viewer: Person
    stranger: Person
    manager: Person


def make_team(app: Flask, *, funds: int = 0) -> Team:
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
