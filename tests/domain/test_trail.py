"""The trail read: pages by id, filters within a window, names joined when read, and what customers do not learn."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor, Ref, trail, words
from dashboard.domain.audit.trail import AuditFilters
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, Organization, User
from tests.each import each
from tests.factories import add_member, make_org, make_user

THING = Ref("ledger", "1")


@pytest.fixture
def org(app_context: Flask) -> Organization:
    return make_org()


def add(
    org: Organization, action: str = "key.made", *, by: Actor = SYSTEM, about: Ref = THING, **values: Any
) -> AuditEntry:
    with transaction(org=org.id):
        return audit.record(about, action, by=by, org=org.id, **values)


def read(filters: AuditFilters, *, limit: int = 50, window: int = 20_000) -> list[AuditEntry]:
    """All pages."""
    rows, cursor = [], None
    while True:
        page = trail.page(filters, cursor=cursor, limit=limit, window=window)
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return rows


def parse(whose: Organization | None = None, **values: str) -> AuditFilters:
    return AuditFilters.parse(values, org_id=whose.id if whose else None)


def test_pages_hold_each_entry_once_newest_first(org: Organization) -> None:
    made = sorted(add(org).id for _ in range(7))  # of one millisecond the ids decide
    found = [entry.id for entry in read(parse(org), limit=2)]
    assert found[:7] == made[::-1]
    assert len(found) == len(set(found))
    assert [entry.id for block in trail.every(parse(org)) for entry in block] == found


def test_another_organizations_entries_are_not_there(org: Organization) -> None:
    other = make_org("Other")
    theirs = add(other)
    assert theirs.id not in [entry.id for entry in read(parse(org))]
    assert theirs.id in [entry.id for entry in read(AuditFilters())]
    with pytest.raises(NotFound):
        trail.find(org.id, theirs.id)
    assert trail.find(None, theirs.id).id == theirs.id


def test_each_filter_narrows(org: Organization) -> None:
    person = make_user()
    acted = add(org, "member.added", by=Actor("user", person.id), about=Ref("membership", uuid4()))
    with clock.at(clock.now() - timedelta(days=9)):
        old = add(org, "credits.granted", by=Actor("manager", uuid4()))
    cases: list[tuple[dict[str, str], UUID]] = [
        ({"actor": str(person.id)}, acted.id), ({"actor_id": str(person.id)}, acted.id),
        ({"object": acted.object_id}, acted.id), ({"object": str(acted.id)}, acted.id),
        ({"actor": "manager"}, old.id), ({"action": "credits.granted"}, old.id), ({"group": "money"}, old.id),
        ({"to": str(clock.today() - timedelta(days=2))}, old.id),
    ]  # fmt: skip
    for values, wanted in cases:
        assert [entry.id for entry in read(parse(org, **values))] == [wanted], values
        assert wanted in [entry.id for entry in read(parse(**values))], values
    recent = {"from": str(clock.today() - timedelta(days=2))}
    assert old.id not in [entry.id for entry in read(parse(org, **recent))]


def test_a_search_ends_at_its_window_and_goes_on(org: Organization) -> None:
    wanted = add(org, "key.revoked")
    for _ in range(9):
        add(org)
    filters = parse(org, action="key.revoked")
    page = trail.page(filters, window=4)
    assert (page.rows, page.searched_all) == ([], False)
    assert [entry.id for entry in read(filters, window=4)] == [wanted.id]
    assert trail.page(filters).searched_all


@each(
    ("name", "value"),
    [("actor", "x"), ("org", "1"), ("group", "none"), ("object", "x" * 201), ("object", "\x00"), ("from", "yesterday")],
)
def test_odd_filters_are_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        AuditFilters.parse({name: value})
    assert refusal.value.field == name


def told(entry: AuditEntry, *, for_manager: bool = False) -> trail.EntryView:
    return trail.entry_views([entry], for_manager=for_manager)[0]


def test_people_read_sentences(org: Organization) -> None:
    mara = make_user(name="Mara")
    membership = add_member(org, "member", user=make_user(name="Jo"))
    found = read(parse(org, action="member.added"))[0]
    assert told(found).sentence == "System added Jo as member"
    granted = add(
        org, "credits.granted", by=Actor("user", mara.id), after={"amount": 25_000_000, "category": "goodwill"}
    )
    assert told(granted).sentence == "Mara granted $25.00 (goodwill)"
    assert [(one.field, one.after) for one in told(granted).differences] == [
        ("Amount", "$25.000000"), ("Category", "goodwill"),
    ]  # fmt: skip
    assert membership


def test_customers_do_not_learn_which_manager_it_was(org: Organization, app: Flask) -> None:
    manager: User = make_user(name="Secret Staff", manager=True)
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": "192.0.2.9"}):
        app.preprocess_request()
        entry = add(org, "organization.visited", by=Actor("manager", manager.id), about=Ref("page", "/o/x/"))
    theirs, ours = told(entry), told(entry, for_manager=True)
    assert (theirs.actor, theirs.actor_id, theirs.ip) == ("Platform manager", None, None)
    assert theirs.sentence == "Platform manager viewed the organization: overview"
    assert (ours.actor, ours.actor_id, ours.ip) == ("Secret Staff", manager.id, "192.0.2.9")
    asked = AuditFilters.parse({"actor": str(manager.id)}, org_id=org.id, named=False)
    assert read(asked) == []


def test_what_a_provider_says_of_our_account_is_for_managers(org: Organization) -> None:
    values = {"state": "failed", "problem": "Invalid API key provided"}
    entry = add(org, "payment.failed", about=Ref("payment", uuid4()), after=values)
    assert told(entry).after == {"state": "failed"}
    assert told(entry, for_manager=True).after == values


def test_an_erased_persons_entries_stay_without_the_name(org: Organization) -> None:
    entry = add(org, by=Actor("user", uuid4()))
    assert told(entry).actor == "A former user"


def test_values_are_cut_in_sentences_and_shown_whole_below(org: Organization) -> None:
    entry = add(org, "credits.granted", after={"amount": 1, "category": "x" * 500, "flag": True, "list": ["a", "b"]})
    found = told(entry)
    assert len(found.sentence) < 200
    assert {one.field: one.after for one in found.differences} == {
        "Amount": "$0.000001", "Category": "x" * 500, "Flag": "yes", "List": "a, b",
    }  # fmt: skip


def test_a_sentence_fills_no_hole_that_a_value_brings() -> None:
    said = words.sentence("key.made", who="{after.x}", what="{who}", before=None, after={"x": "y"})
    assert said == "{after.x} created the API key {who}"


def test_the_platforms_entries_are_under_the_platform(org: Organization) -> None:
    with transaction(org=PLATFORM_ORG_ID):
        made = audit.record(Ref("user", uuid4()), "email.tested", by=SYSTEM, org=PLATFORM_ORG_ID)
    assert made.id in [entry.id for entry in read(parse(org=str(PLATFORM_ORG_ID)))]


def test_a_transfer_names_who_owns_it_now(org: Organization) -> None:
    new = make_user()
    entry = add(org, "ownership.transferred", after={"owner": str(new.id)})
    assert told(entry).sentence.endswith(f"over to {new.name}")
    gone = add(org, "ownership.transferred", after={"owner": str(uuid4())})
    assert told(gone).sentence.endswith("over to somebody else")


def test_moments_among_the_values_are_words(org: Organization) -> None:
    entry = add(
        org, after={"expires_at": "2026-12-19T00:00:00+00:00", "note": "2026-12-19", "odd": "2026-02-30T00:00:00Z"}
    )
    assert [one.after for one in told(entry).differences] == [
        "19 December 2026, 00:00 UTC", "2026-12-19", "2026-02-30T00:00:00Z",
    ]  # fmt: skip
