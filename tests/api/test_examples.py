"""The examples of the OpenAPI documents: each request is made, with the scopes that the document names and then with
all others, and gives the answer that the document shows.

The requests in `dashboard/api/document/examples.json` are written by hand, the answers by `make openapi`.
"""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import jsonschema
from structlog.contextvars import clear_contextvars

from dashboard.api import document
from dashboard.api.auth import platform_provider
from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import OPERATOR_SCOPES, PERSONAL_SCOPES, SCOPES
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.catalog import products
from dashboard.domain.organizations import memberships
from dashboard.domain.payments import fulfil
from dashboard.models import ApiKey, AuditEntry, CreditGrant, Organization
from tests import factories, invites
from tests.api.conftest import Program
from tests.api.test_openapi import documents, operations

FILE = Path(document.__file__).with_name("examples.json")
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
WRITE = "COFFER_WRITE_EXAMPLES"
MADE_UP = UUID("0193a7c0-0000-7000-8000-ffffffffffff")
GIVEN = {"wallet:read", "wallet:charge"}
"""What the example of a new key gives: its maker needs the same."""

FAKE = (
    (r"http://localhost/", "https://coffer.example/"),
    (r"cof_test_[0-9a-f]{32}_[A-Za-z0-9_-]+", "cof_test_0193a7c0000070008000000000000001_EXAMPLE"),
    (r"cof_test_…[A-Za-z0-9_-]{4}", "cof_test_…MPLE"),
    (r"https://coffer.example/dummy/checkout/", "https://checkout.example/pay/"),
    (r"\bdummy_cs_[A-Za-z0-9_-]+", "cs_test_EXAMPLE"),
    (r'"next_cursor": "[^"]+"', '"next_cursor": "k2Jx4VgkLmQBk6fAAABwAIAAAAAAAAAB"'),
)
"""What is made at random, and what examples show in its place."""


def example_id(number: int) -> str:
    return f"0193a7c0-0000-7000-8000-{number:012x}"


class Seller:
    """What the examples are about, and who makes them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ada = factories.make_user("ada@acme.example", name="Ada Lovelace")
        self.ben = factories.make_user("ben@acme.example", name="Ben Okri")
        self.cara = factories.make_user("cara@acme.example", name="Cara Diaz")
        self.frida = factories.make_user("frida@acme.example", name="Frida Holm")
        self.gus = factories.make_user("gus@acme.example", name="Gus Lind")
        self.manager = factories.make_user("mia@coffer.example", name="Mia Manager", manager=True)
        self.org = factories.make_org("Acme", owner=self.ada, funds=25_000_000)
        self.own = factories.make_org("Tide Pools", owner=self.ada)
        self.empty = factories.make_org("Old project", owner=self.ada)
        with transaction(org=self.own.id):
            db.session.get_one(Organization, self.own.id).funding = "own"
        factories.add_member(self.org, "member", user=self.ben)
        factories.add_member(self.org, "admin", user=self.cara)
        charged = factories.charge(factories.wallet_of(self.org), 18_100, "job-41", app="chat-api")
        held, idle = (factories.hold(self.org, 300_000, key, app="chat-api") for key in ("job-42", "job-43"))
        pack = factories.make_pack()
        with transaction(org=self.own.id):
            own_pack = products.create(self.own.id, name="Trial", price_minor=500, grant_micros=5_000_000, by=self.by)
        member, heir = (memberships.of_person(self.org.id, user.id) for user in (self.ben, self.cara))
        assert member
        assert heir
        sent = {name: invites.send(self.org, self.ada, f"{name}@acme.example") for name in ("hugo", "frida", "gus")}
        self.key("wallet:read", "wallet:charge", name="Production")
        limit = factories.make_limit(self.org, 100_000_000)
        entry = db.session.query(AuditEntry.id).filter_by(org_id=self.org.id, action="key.made").scalar()
        key_id = db.session.query(ApiKey.id).filter_by(org_id=self.org.id).scalar()
        self.texts = {
            "INVITE-TOKEN-OF-FRIDA": invites.token_of(sent["frida"]),
            "INVITE-TOKEN-OF-GUS": invites.token_of(sent["gus"]),
            **{
                example_id(number): str(real)
                for number, real in (
                    (0x01, self.org.id), (0x02, self.own.id), (0x03, self.empty.id), (0x11, member.id),
                    (0x12, self.ben.id), (0x13, self.ada.id), (0x14, heir.id), (0x21, pack.product.id),
                    (0x22, own_pack.product.id),
                    (0x31, factories.wallet_of(self.org).id), (0x41, charged.id), (0x61, key_id),
                    (0x42, db.session.query(CreditGrant.id).filter_by(org_id=self.org.id).scalar()),
                    (0x71, sent["hugo"].id), (0x81, entry), (0x91, held.id), (0x92, idle.id), (0xA1, limit.id),
                )
            },
        }  # fmt: skip

    @property
    def by(self) -> Actor:
        return Actor("user", self.ada.id)

    def key(self, *scopes: str, org: Organization | None = None, name: str = "Chat backend") -> str:
        org = org or self.org
        with transaction(org=org.id):
            by = SYSTEM if OPERATOR_SCOPES & set(scopes) else self.by
            made = keys.make(org, name=name, scopes=scopes, mode="test", by=by, made_by=by.id)
        return made.key

    def pay(self) -> None:
        """A payment that was paid, for those that read payments."""
        urls = {"success_url": "http://localhost/ok", "cancel_url": "http://localhost/no"}
        body = {"product_id": self.texts[example_id(0x21)], **urls}
        path, key = f"/api/v1/orgs/{self.org.id}/checkout", self.program.key(self.org, "checkout:create")
        opened = self.program.post(path, key, json=body).get_json()
        with self.program.app.app_context():
            provider = platform_provider()
            provider.decide(opened["session_id"], "paid")  # type: ignore[attr-defined]
            fulfil.confirm(self.org.id, opened["payment_id"], provider=provider)
        self.texts[example_id(0x51)] = opened["payment_id"]

    def caller(self, operation: dict[str, Any], *, right: bool) -> str | None:
        """A token with the scopes that the document names, or with all others; None for what is open to all."""
        name, kinds = operation["operationId"], {kind for one in operation["security"] for kind in one}
        if not kinds:
            return None
        named = set(operation["x-scopes"])
        if "orgKey" in kinds and not name.startswith(("platform_", "orgs_list")):
            may = SCOPES - PERSONAL_SCOPES - (set() if right else OPERATOR_SCOPES)
            scopes = (named or GIVEN) & may if right else may - named
            return self.program.make(self.key, *sorted(scopes), org=self.own if OWN in operation["path"] else self.org)
        user = {"invites_accept": self.frida, "invites_decline": self.gus}.get(name, self.ada)
        user = self.manager if name.startswith("platform_") else user
        extra = GIVEN if name.startswith("api_keys_") else set()
        return self.program.token(user, *sorted(((named or GIVEN) & SCOPES) | extra if right else SCOPES - named))


OWN = example_id(0x02)
LATER = {"usage_record": (0xA1, "usage_event_id")}
"""What a call makes, and later examples are about."""


class Examples:
    """Translates between the texts of the examples and those of this run."""

    def __init__(self, seller: Seller) -> None:
        self.seller = seller

    def real(self, value: Any) -> Any:
        text = json.dumps(value)
        for shown, real in self.seller.texts.items():
            text = text.replace(shown, real)
        return json.loads(text)

    def shown(self, operation_id: str, value: Any) -> Any:
        text = json.dumps(value, ensure_ascii=False)
        known = {real: shown for shown, real in self.seller.texts.items()}
        for index, real in enumerate(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)):
            if real not in known:
                made_up = uuid5(MADE_UP, f"{operation_id} {index}").hex
                known[real] = self.seller.texts[real] = f"0193a7c0-{made_up[:4]}-7000-8000-{made_up[4:16]}"
        for real, shown in known.items():
            text = text.replace(real, shown)
        for pattern, shown in FAKE:
            text = re.sub(pattern, shown, text)
        return json.loads(text)


def every_example(program: Program) -> dict[str, dict[str, Any]]:
    """The operations that have an example, in the order of the file, each with its path and the components."""
    found = {
        one["operationId"]: one | {"method": method, "template": path, "components": found["components"]}
        for found in documents(program)
        for path, method, one in operations(found)
    }
    examples = json.loads(FILE.read_text())
    assert examples.keys() == found.keys()
    return {name: found[name] | {"path": json.dumps(examples[name].get("path"))} for name in examples}


def test_every_example_does_what_it_shows(program: Program) -> None:
    wanted = json.loads(FILE.read_text())
    clear_contextvars()  # the request of another test, which the audit log would name
    with clock.at(NOW):
        with program.app.test_request_context(base_url="http://localhost"):
            seller = Seller(program)
        seller.pay()
        texts = Examples(seller)
        given = {name: answer_of(program, texts, one, wanted[name]) for name, one in every_example(program).items()}
    if os.environ.get(WRITE):
        FILE.write_text(json.dumps(given, indent=1, ensure_ascii=False) + "\n")
        return
    assert given == wanted, "an answer has changed: look at it, then run `make openapi`"


def answer_of(program: Program, texts: Examples, operation: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The example with the answer that its request gets. Its scopes are needed, and no others."""
    name, sent = operation["operationId"], texts.real(example)
    path = operation["template"].format(**sent.get("path", {}))
    named = {"query_string": sent.get("query", {})} | ({"json": sent["request"]} if "request" in sent else {})
    if operation["x-scopes"]:
        refused = program.call(operation["method"].upper(), path, texts.seller.caller(operation, right=False), **named)
        assert refused.status_code == 403, (name, refused.get_json())
    response = program.call(operation["method"].upper(), path, texts.seller.caller(operation, right=True), **named)
    assert response.status_code < 300, (name, response.get_json())
    result = {key: example[key] for key in ("path", "query", "request") if key in example}
    result["status"] = response.status_code
    if name in LATER:
        number, field = LATER[name]
        texts.seller.texts[example_id(number)] = response.get_json()[field]
    if response.status_code != 204:
        schema = operation["responses"][str(response.status_code)]["content"]["application/json"]["schema"]
        jsonschema.validate(response.get_json(), {**schema, "components": operation["components"]})
        result["answer"] = texts.shown(name, response.get_json())
    return result
