"""External keys: one organization has one, also when two are given it at once."""

from typing import Any

from flask import Flask

from dashboard.core.db import transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.platform import external_keys
from dashboard.models import Organization
from tests.concurrency import head_on
from tests.factories import make_org


def test_of_two_organizations_given_the_same_key_at_once_one_gets_it(app: Flask) -> None:
    with app.app_context():
        orgs = [make_org() for _ in range(2)]

    def give(org: Organization) -> Any:
        def work() -> str:
            with transaction(org=org.id):
                external_keys.assign(org, "the-one", reason="Contract", by=SYSTEM)
            return "done"

        return work

    assert sorted(head_on(app, *(give(org) for org in orgs))) == ["done", "external_key_taken"]
