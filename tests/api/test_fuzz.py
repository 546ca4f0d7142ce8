"""Requests made from the API's own document: nothing answers 5xx, and no answer that the document does not hold.

`COFFER_FUZZ_REQUESTS` says how many the long run makes. The short run has the same seed each time, the long one
another, unless `COFFER_FUZZ_SEED` gives it; it stands in the output.
"""

import os
import random
import secrets
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from sqlalchemy import Select, Table

from dashboard.core.db import db
from dashboard.domain.access.permissions import OPERATOR_SCOPES, PERSONAL_SCOPES, SCOPES
from dashboard.domain.people import users
from dashboard.models import PLATFORM_ORG_ID, Base, Membership
from tests import factories
from tests.api.conftest import Program

checks.load_all_checks()
CHECKS = [
    checks.CHECKS.get_one("not_a_server_error"),
    checks.CHECKS.get_one("status_code_conformance"),
    checks.CHECKS.get_one("content_type_conformance"),
    checks.CHECKS.get_one("response_schema_conformance"),
    checks.CHECKS.get_one("response_headers_conformance"),
    checks.CHECKS.get_one("unsupported_method"),
]
SHORT, SEED = 400, 7
LONG = int(os.environ.get("COFFER_FUZZ_REQUESTS", "20000"))


NOUNS = {"memberships": "members"}
"""What the API calls the rows of a table, where it is another word."""


class Tenants:
    """An organization with one of everything, who calls in it, and the ids of what there is, by table."""

    def __init__(self, program: Program) -> None:
        org = program.org(funds=50_000_000)
        program.make(factories.make_pack)
        program.org("Elsewhere", funds=1_000_000)
        with program.app.app_context():
            owner = db.session.scalar(db.select(Membership.user_id).filter_by(org_id=org.id, role="owner"))
            assert isinstance(owner, UUID)
            for role in ("admin", "member", "viewer"):
                factories.add_member(org, role)
            factories.charge(factories.wallet_of(org), 1_000)
            self.key = factories.make_key(org, *(SCOPES - PERSONAL_SCOPES - OPERATOR_SCOPES))
            self.owner = factories.make_token(users.by_id(owner), *SCOPES)
            self.manager = factories.make_token(factories.make_user(manager=True), *SCOPES)
            self.narrow = factories.make_key(org, "wallet:read")
            self.org_id = str(org.id)
            self.known = {
                NOUNS.get(table.name, table.name): [str(found) for found in db.session.scalars(_ids(table, org.id))]
                for table in Base.metadata.sorted_tables
                if "id" in table.c
            }

    def _id(self, noun: str, dice: random.Random) -> str:
        right = self.known.get(noun) or []
        others = [one for ids in self.known.values() for one in ids]
        return dice.choice(right if right and dice.random() < 0.8 else others)

    def address(self, case: schemathesis.Case, dice: random.Random) -> None:
        """Mostly what is there, by who may: else every answer would be 404."""
        for name in case.path_parameters:
            if name == "org_id" and dice.random() < 0.9:
                case.path_parameters[name] = self.org_id
            elif name == "id" and dice.random() < 0.8:
                noun = case.path.rpartition("/{id}")[0].rpartition("/")[2].replace("-", "_")
                case.path_parameters[name] = self._id(noun, dice)
        if isinstance(case.body, dict):
            for name in {"org_id", "product_id", "member_id"} & case.body.keys():
                if dice.random() < 0.8:
                    case.body[name] = self._id(f"{name[:-3]}s".replace("org", "organization"), dice)
        usual = [self.manager] if case.path.startswith("/admin/") else [self.owner, self.key]
        anyone = [self.manager, self.owner, self.key, self.narrow]
        token = dice.choice(usual if dice.random() < 0.85 else anyone)
        case.headers["Authorization"] = f"Bearer {token}"


@pytest.mark.parametrize(
    "requests",
    [pytest.param(SHORT, marks=pytest.mark.slow), pytest.param(LONG, marks=pytest.mark.soak)],
    ids=["short", "long"],
)
def test_every_answer_is_one_that_the_document_holds(program: Program, requests: int) -> None:
    program.app.config["PROPAGATE_EXCEPTIONS"] = False
    tenants = Tenants(program)
    start = int(os.environ.get("COFFER_FUZZ_SEED") or (SEED if requests == SHORT else secrets.randbits(32)))
    print(f"COFFER_FUZZ_SEED={start}")
    dice = random.Random(start)
    answers: Counter[tuple[str, str, int]] = Counter()
    operations = [
        found.ok()
        for path in ("/api/v1/openapi.json", "/admin/api/v1/openapi.json")
        for found in schemathesis.openapi.from_wsgi(path, program.app).get_all_operations()
    ]
    for operation in operations:
        asks(operation, tenants, dice, answers, most=max(1, requests // len(operations)))
    print(*sorted(answers.items()), sep="\n")
    assert {status for _, _, status in answers} >= {200, 201, 403, 404, 422}


def asks(
    operation: schemathesis.APIOperation, tenants: Tenants, dice: random.Random, answers: "Counter[Any]", *, most: int
) -> None:
    @seed(dice.randrange(2**32))
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        tenants.address(case, dice)
        response = case.call()
        answers[operation.method, operation.path, response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as found:
            raise AssertionError(told(case, response, found)) from None

    ask()


def _ids(table: Table, org_id: UUID) -> Select[Any]:
    own = [table.c.org_id.in_([org_id, PLATFORM_ORG_ID])] if "org_id" in table.c else []
    return db.select(table.c.id).where(*own).limit(5)


def told(case: Any, response: Any, found: FailureGroup) -> str:
    lines = [f"{one.title}: {one.message}" for one in found.exceptions]
    return "\n".join([f"{case.method} {case.formatted_path} -> {response.status_code}", *lines, case.as_curl_command()])
