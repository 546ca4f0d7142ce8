"""A program in front of the API: organizations, their keys, and one call per line."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.models import Organization, Transaction, Wallet
from tests import factories
from tests.servers import Servers

T = TypeVar("T")


class Program:
    """Calls with a key; `make` runs the factories, each in a context of its own."""

    def __init__(self, app: Flask, servers: Servers | None = None) -> None:
        self.app = app
        self._servers = servers
        self.client: FlaskClient = app.test_client()

    def make(self, factory: Callable[..., T], *args: Any, **named: Any) -> T:
        with self.app.app_context():
            return factory(*args, **named)

    def call(self, method: str, path: str, key: str | None = None, **named: Any) -> TestResponse:
        headers = dict(named.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self.client.open(path, method=method, headers=headers, **named)

    def get(self, path: str, key: str | None = None, **named: Any) -> TestResponse:
        return self.call("GET", path, key, **named)

    def post(self, path: str, key: str | None = None, **named: Any) -> TestResponse:
        return self.call("POST", path, key, **named)

    def org(self, name: str = "Acme", *, funds: int = 0, **named: Any) -> Organization:
        if self._servers and not named and not clock._moved.get():  # a copy of the first, if tables are clean
            make = partial(self.make, factories.make_org, name, funds=funds)
            return self._servers.once(f"{name} with {funds}", make)
        return self.make(factories.make_org, name, funds=funds, **named)

    def key(self, org: Organization, *scopes: str, **named: Any) -> str:
        return self.make(factories.make_key, org, *scopes, **named)

    def service_key(self, *scopes: str, **named: Any) -> str:
        return self.make(factories.make_service_key, *scopes, **named)

    def token(self, user: Any, *scopes: str) -> str:
        return self.make(factories.make_token, user, *scopes)

    def manager_token(self, *scopes: str) -> str:
        return self.token(self.make(factories.make_user, manager=True), *(scopes or MANAGING))

    def balance(self, org: Organization) -> int:
        with self.app.app_context():
            return factories.wallet_of(org).balance

    def rows(self, org_id: UUID) -> int:
        with self.app.app_context():
            return db.session.query(Transaction).filter_by(org_id=org_id).count()

    def change(self, org: Organization, **values: Any) -> None:
        """Set columns of the organization that no route sets yet."""
        with self.app.app_context(), transaction(org=org.id):
            found = db.session.get_one(Organization, org.id)
            for name, value in values.items():
                setattr(found, name, value)

    def change_wallet(self, org: Organization, **values: Any) -> None:
        with self.app.app_context(), transaction(org=org.id):
            wallet = db.session.query(Wallet).filter_by(org_id=org.id, mode="test").one()
            for name, value in values.items():
                setattr(wallet, name, value)


MANAGING = ("platform:read", "platform:grant")


@pytest.fixture
def program(app: Flask, servers: Servers) -> Program:
    return Program(app, servers)


def problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The refusal, checked for the shape that every one has."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = response.get_json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert {"type", "title", "detail", "request_id"} <= body.keys()
    if status == 422:
        assert isinstance(body["errors"], list)
    return body
