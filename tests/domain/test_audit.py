"""The audit trail: who, what, from where; written with the act and never changed."""

from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from dashboard.core import logs
from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.audit.kinds import KINDS
from dashboard.models import PLATFORM_ORG_ID, ApiKey, AuditEntry, OrgDirectory, User
from tests.factories import make_org

THING = audit.Ref("ledger", "1")


def entries() -> list[AuditEntry]:
    return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def record(action: str = "thing.done", by: Actor = SYSTEM) -> AuditEntry:
    with transaction(PLATFORM_ORG_ID):
        return audit.record(THING, action, by=by, org=PLATFORM_ORG_ID, before={"a": 1}, reason="because")


def test_an_entry_knows_the_request_it_came_from(app: Flask) -> None:
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": "192.0.2.7"}):
        app.preprocess_request()
        made = record()
        assert made.ip == "192.0.2.7"
        assert made.request_id


def test_a_reason_is_what_somebody_wrote_without_its_edges() -> None:
    assert audit.checked_reason("  A refund\r\nby\tphone \n") == "A refund\nby\tphone"
    longest = "\r\n".join("x" * 250)[: 3 * 250]  # a browser counts a line's end once and sends it as two
    assert len(audit.checked_reason(longest)) == audit.REASON_LIMIT - 1
    for wrong in ("", " \r\n ", "x" * (audit.REASON_LIMIT + 1), "a\x00b", "a\x1b[2Jb", "a\u202eb"):
        with pytest.raises(Invalid) as refused:
            audit.checked_reason(wrong)
        assert refused.value.field == "reason"


def test_an_entry_of_a_command_has_no_address(app_context: Flask) -> None:
    logs.bind_job("test")
    made = record()
    assert (made.ip, made.actor_kind, made.actor_id, made.before, made.reason) == (
        None, "system", None, {"a": 1}, "because",
    )  # fmt: skip
    assert made.request_id == logs.request_id()


def fail_after_recording() -> None:
    with transaction(PLATFORM_ORG_ID):
        audit.record(THING, "thing.done", by=SYSTEM, org=PLATFORM_ORG_ID)
        raise ZeroDivisionError


def test_an_act_that_fails_leaves_no_entry(app_context: Flask) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_after_recording()
    assert entries() == []


@pytest.mark.parametrize("change", ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries"])
def test_entries_cannot_be_changed(app_context: Flask, change: str) -> None:
    record()
    with pytest.raises(DBAPIError), transaction(PLATFORM_ORG_ID):
        db.session.execute(text(change))
    assert [entry.action for entry in entries()] == ["thing.done"]


def test_the_row_says_its_organization_its_kind_and_its_id(app_context: Flask) -> None:
    org, key_id = make_org(), uuid4()
    with transaction(org.id):
        of_org = audit.record(org, "thing.done", by=SYSTEM)
        of_key = audit.record(ApiKey(org_id=org.id, id=key_id), "thing.done", by=SYSTEM)
    assert (of_org.org_id, of_org.object_kind, of_org.object_id) == (org.id, "organization", str(org.id))
    assert (of_key.org_id, of_key.object_kind, of_key.object_id) == (org.id, "api_key", str(key_id))


def test_a_row_without_organization_or_kind_is_recorded_only_when_they_are_named(app_context: Flask) -> None:
    person = User(id=uuid4())
    with transaction(PLATFORM_ORG_ID):
        made = audit.record(person, "thing.done", by=SYSTEM, org=PLATFORM_ORG_ID)
        assert (made.org_id, made.object_kind) == (PLATFORM_ORG_ID, "user")
    for nothing in (person, audit.Ref("page", "/"), audit.Ref("thing", "1"), OrgDirectory(org_id=uuid4())):
        with pytest.raises(LookupError):
            audit.record(nothing, "thing.done", by=SYSTEM)


def test_each_kind_names_pages_of_the_website_that_take_one_id(app: Flask) -> None:
    for name, kind in KINDS.items():
        for endpoint in filter(None, (kind.org_page, kind.admin_page)):
            [rule] = app.url_map.iter_rules(endpoint)
            assert len(rule.arguments - {"slug"}) <= 1, name
            assert ("slug" in rule.arguments) == (endpoint == kind.org_page), name
