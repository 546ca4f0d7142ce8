"""Pages of rows: every row once, in order, whatever the filter; and the statement that adds up."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import event

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.lists import Page
from dashboard.domain.access import keys
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger, transactions
from dashboard.domain.funds.ledger import LedgerEntry
from dashboard.domain.funds.transactions import TransactionFilters, explain
from dashboard.models import TRANSACTION_TYPES, Organization, Transaction, Wallet
from tests.each import each
from tests.factories import charge, grant, make_org, make_user, wallet_of
from tests.servers import Servers

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
Fetch = Callable[[TransactionFilters, str | None], Page[Transaction]]


@pytest.fixture
def wallet(app_context: Flask, servers: Servers) -> Wallet:
    found = db.session.get(Wallet, servers.once("ten days of charges", ten_days))
    assert found is not None
    return found


def ten_days() -> tuple[UUID, UUID]:
    """A wallet with 12 charges on each of ten days, and a grant on the first and the eighth."""
    with clock.at(NOON):
        wallet = wallet_of(make_org())
    for day in range(10):
        with clock.at(NOON + timedelta(days=day)):
            if day in (0, 7):
                grant(wallet, 10_000)
            entries = [
                LedgerEntry(wallet.id, 10 + n, f"{day}-{n}", f"call {n} of the bot", "chat" if n % 2 else "", None)
                for n in range(12)
            ]
            with transaction(org=wallet.org_id):
                ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)
    return wallet.org_id, wallet.id


@pytest.fixture
def everything(wallet: Wallet) -> list[Transaction]:
    rows = walk(lambda filters, cursor: transactions.page(wallet, filters, cursor, 100), TransactionFilters())
    assert len(rows) == 122
    return rows


def walk(fetch: Fetch, filters: TransactionFilters) -> list[Transaction]:
    """All rows by following the cursor."""
    page = fetch(filters, None)
    rows = list(page.rows)
    while page.next_cursor:
        page = fetch(filters, page.next_cursor)
        rows += page.rows
    return rows


def parse(**values: str) -> TransactionFilters:
    return TransactionFilters.parse({name.rstrip("_"): value for name, value in values.items()})


def matches(row: Transaction, filters: TransactionFilters) -> bool:
    """The filter once more, naively: the oracle."""
    return all([
        filters.type in (None, row.type),
        filters.app in (None, row.app),
        filters.since is None or row.created_at >= filters.since,
        filters.until is None or row.created_at < filters.until,
        filters.min_micros is None or row.amount >= filters.min_micros,
        filters.max_micros is None or row.amount <= filters.max_micros,
        filters.direction is None or (row.amount > 0) == (filters.direction == "in"),
        not filters.q or all(word.lower() in row.description.lower() for word in filters.q.split()),
    ])  # fmt: skip


FILTERS = [
    {},
    {"type": "admin_grant"},
    {"type": "charge", "app": "chat"},
    {"type": "purchase"},
    {"app": "nobody"},
    {"from_": "2026-06-03", "to": "2026-06-05"},
    {"from_": "2026-06-08", "to": "2026-06-08", "type": "admin_grant"},
    {"to": "2026-06-02"},
    {"from_": "2027-01-01"},
    {"to": "2020-01-01"},
    {"from_": "0001-01-01", "to": "9999-12-30"},
    {"from_": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"},
    {"from_": "2026-06-03T12:00:00Z", "to": "2026-06-05T11:59:59+00:00"},
    {"q": "BOT call 11"},
    {"q": "100%"},
    {"direction": "in"},
    {"direction": "out", "max_micros": "-20"},
    {"min_micros": "-12", "max_micros": "5000"},
]


@each("window, limit", [(17, 10), (20_000, 50)])
@each("given", FILTERS)
def test_each_matching_row_comes_once_newest_first(
    wallet: Wallet, everything: list[Transaction], given: dict[str, str], window: int, limit: int
) -> None:
    filters = parse(**given)
    wanted = [row.seq for row in everything if matches(row, filters)]
    found = walk(lambda f, c: transactions.page(wallet, f, c, limit, window=window), filters)
    assert [row.seq for row in found] == wanted
    where = (wallet.org_id, wallet.mode)
    across = walk(lambda f, c: transactions.of_organizations(*where, f, c, limit, window=window), filters)
    assert [row.id for row in across] == sorted((row.id for row in across), reverse=True)
    assert sorted(row.seq for row in across) == sorted(wanted)
    everywhere = walk(lambda f, c: transactions.of_all_organizations(wallet.mode, f, c, limit, window=window), filters)
    assert sorted(row.seq for row in everywhere if row.org_id == wallet.org_id) == sorted(wanted)


def test_newer_leads_back_the_same_way(wallet: Wallet) -> None:
    for filters in (TransactionFilters(), parse(app="chat"), parse(q="call 3")):
        pages = [transactions.page(wallet, filters, None, 4)]
        while pages[-1].next_cursor:
            pages.append(transactions.page(wallet, filters, pages[-1].next_cursor, 4))
        assert pages[0].newer_cursor is None
        back = pages[-1]
        for page in pages[-2::-1]:
            assert back.newer_cursor is not None
            back = transactions.page(wallet, filters, back.newer_cursor, 4)
            assert [row.seq for row in back.rows] == [row.seq for row in page.rows]
        assert back.newer_cursor is None
        assert back.next_cursor == pages[0].next_cursor


def test_a_look_ends_at_its_window_and_offers_to_go_on(wallet: Wallet) -> None:
    page = transactions.page(wallet, parse(q="nothing like it"), window=50)
    assert (page.rows, page.searched_all) == ([], False)
    page = transactions.page(wallet, parse(q="nothing like it"), page.next_cursor, window=50)
    assert (page.rows, page.searched_all) == ([], False)
    assert page.newer_cursor is not None
    page = transactions.page(wallet, parse(q="nothing like it"), page.next_cursor, window=50)
    assert (page.rows, page.searched_all, page.next_cursor) == ([], True, None)


def test_a_rare_type_is_found_in_one_look_however_far_back(wallet: Wallet) -> None:
    page = transactions.page(wallet, parse(type="admin_grant"), window=30)
    assert [row.seq for row in page.rows] == [86, 1]


def test_rows_that_arrive_between_two_pages_shift_nothing(wallet: Wallet) -> None:
    first = transactions.page(wallet, None, None, 10)
    charge(wallet, 1)
    second = transactions.page(wallet, None, first.next_cursor, 10)
    assert [row.seq for row in [*first.rows, *second.rows]] == list(range(122, 102, -1))
    assert transactions.page(wallet, None, second.newer_cursor, 10).newer_cursor is not None


def test_rows_of_one_moment_are_all_reached_in_both_directions_while_others_arrive(app_context: Flask) -> None:
    wallet = wallet_of(make_org(funds=1_000))
    entries = [LedgerEntry(wallet.id, n, f"n{n}", "", "", None) for n in range(1, 26)]
    with clock.at(clock.now() + timedelta(minutes=1)), transaction(org=wallet.org_id):
        ledger.post_batch(wallet.org_id, entries, mode=wallet.mode, origin="usage", by=SYSTEM)
    only = parse(type="charge")
    readers: list[Callable[[str | None], Page[Transaction]]] = [
        lambda cursor: transactions.page(wallet, only, cursor, 10),
        lambda cursor: transactions.of_organizations(wallet.org_id, wallet.mode, only, cursor, 10),
        lambda cursor: transactions.of_all_organizations(wallet.mode, only, cursor, 10),
    ]
    assert len({row.created_at for row in readers[0](None).rows}) == 1
    forward: list[list[Page[Transaction]]] = []
    for read in readers:
        pages = [read(None)]
        with clock.at(clock.now() + timedelta(minutes=2)):
            for _ in range(3):
                grant(wallet, 1)
        while cursor := pages[-1].next_cursor:
            pages.append(read(cursor))
        assert [len(page.rows) for page in pages] == [10, 10, 5]
        rows = [row for page in pages for row in page.rows]
        assert len({row.id for row in rows}) == 25
        assert sum(row.amount for row in rows) == -sum(range(1, 26))
        forward.append(pages)
    back = forward[0][-1]
    seen = list(back.rows)
    while back.newer_cursor:
        back = transactions.page(wallet, only, back.newer_cursor, 10)
        seen = [*back.rows, *seen]
    assert [row.seq for row in seen] == [row.seq for page in forward[0] for row in page.rows]


def test_a_statement_of_moments_is_that_of_its_rows(wallet: Wallet, everything: list[Transaction]) -> None:
    """Ranges in another zone begin and end amid UTC days."""
    ends = [None, NOON - timedelta(hours=1), NOON, NOON + timedelta(days=3), NOON + timedelta(days=3, hours=1),
            NOON + timedelta(days=7, hours=-1), NOON + timedelta(days=30, minutes=5)]  # fmt: skip
    for since in ends:
        for until in ends:
            if since and until and since >= until:
                continue
            filters = TransactionFilters(since=since, until=until)
            found = transactions.statement(wallet, filters)
            inside = [row for row in everything if matches(row, filters)]
            assert found.rows == len(inside), (since, until)
            assert found.money_in == sum(row.amount for row in inside if row.amount > 0)
            assert found.money_out == -sum(row.amount for row in inside if row.amount < 0)
            earlier = [row.amount for row in everything if since is not None and row.created_at < since]
            assert found.opening == sum(earlier)
            assert found.closing == found.opening + found.money_in - found.money_out


def test_a_cursor_of_other_filters_or_another_wallet_starts_at_the_newest(wallet: Wallet) -> None:
    cursor = transactions.page(wallet, None, None, 10).next_cursor
    assert transactions.page(wallet, parse(type="charge"), cursor, 10).rows[0].seq == 122
    other = wallet_of(make_org(funds=5))
    assert [row.seq for row in transactions.page(other, None, cursor, 10).rows] == [1]
    assert transactions.of_organizations(wallet.org_id, wallet.mode, None, cursor, 10).rows[0].org_id == wallet.org_id


@each("cursor", ["x", "%%%", "é", "AAAA", "A" * 500])
def test_what_was_never_a_cursor_is_refused(wallet: Wallet, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        transactions.page(wallet, None, cursor, 10)
    assert refused.value.field == "cursor"


@each("limit", [-5, 0, 1, 100])
def test_a_page_has_the_rows_that_are_asked_for_and_one_at_least(wallet: Wallet, limit: int) -> None:
    assert len(transactions.page(wallet, None, None, limit).rows) == max(1, limit)


@each(
    ("field", "value"),
    [
        ("type", "theft"), ("direction", "up"), ("from", "yesterday"), ("from", "2026-02-30"), ("to", "2026-13-01"),
        ("from", "2026-06-01T00:00:00"), ("to", "9999-12-31"), ("member_id", "me"), ("min_micros", "1e3"),
        ("min_micros", "1.5"), ("max_micros", "9" * 19), ("min", "-1"), ("max", "NaN"), ("q", "x" * 201),
        ("q", "\x00a"), ("app", "x" * 201),
    ],
)  # fmt: skip
def test_odd_filters_name_their_field(field: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        TransactionFilters.parse({field: value})
    assert refused.value.field == field


@each("start, end", [("from", "to"), ("min", "max"), ("min_micros", "max_micros")])
def test_ranges_that_end_before_they_begin_are_refused(start: str, end: str) -> None:
    low, high = ("2026-06-01", "2026-06-02") if start == "from" else ("1", "2")
    with pytest.raises(Invalid):
        TransactionFilters.parse({start: high, end: low})


def test_empty_fields_filter_nothing() -> None:
    assert TransactionFilters.parse({"type": "", "q": "  ", "from": "", "unknown": "x"}) == TransactionFilters()


def test_days_are_told_back_as_typed() -> None:
    found = parse(from_="2026-06-03", to="2026-06-05")
    assert (found.from_day, found.to_day) == (date(2026, 6, 3), date(2026, 6, 5))
    assert found == TransactionFilters.of_days(date(2026, 6, 3), date(2026, 6, 5))


def test_sizes_are_in_credits_and_without_sign(wallet: Wallet) -> None:
    found = walk(lambda f, c: transactions.page(wallet, f, c), parse(min="0.00002", max="0.01"))
    assert {abs(row.amount) for row in found} == {20, 21, 10_000}


def test_an_exact_id_is_found_at_any_depth(wallet: Wallet) -> None:
    oldest = walk(lambda f, c: transactions.page(wallet, f, c), TransactionFilters())[-1]
    assert [row.seq for row in transactions.page(wallet, parse(q=str(oldest.id)), window=10).rows] == [1]
    assert transactions.page(wallet, parse(q=str(uuid4()))).rows == []


def test_one_row_is_found_in_its_organization_only(wallet: Wallet) -> None:
    row = transactions.page(wallet, None, None, 1).rows[0]
    assert transactions.find(wallet.org_id, str(row.id)).seq == row.seq
    stranger = make_org()
    for org_id, name in ((stranger.id, row.id), (wallet.org_id, uuid4()), (wallet.org_id, "nonsense")):
        with pytest.raises(NotFound):
            transactions.find(org_id, name)


def test_a_list_shows_one_mode_and_all_wallets_of_it(app_context: Flask) -> None:
    org = make_org()
    grant(wallet_of(org, "live"), 5)
    grant(wallet_of(org, "test"), 6)
    assert [row.amount for row in transactions.of_organizations(org.id, "live").rows] == [5]
    assert [row.amount for row in transactions.of_all_organizations("test", org_id=org.id).rows] == [6]


def test_everywhere_merges_organizations_by_id(app_context: Flask) -> None:
    orgs = [make_org(funds=1_000) for _ in range(4)]
    for number in range(60):
        charge(wallet_of(orgs[number % 4 if number < 20 else 0]), 1)
    found = walk(lambda f, c: transactions.of_all_organizations("test", f, c, 3, window=10), parse(type="charge"))
    assert len(found) == 60
    assert [row.id for row in found] == sorted((row.id for row in found), reverse=True)


def test_the_statement_adds_up_for_every_range(wallet: Wallet, everything: list[Transaction]) -> None:
    days = [NOON.date() + timedelta(days=n) for n in range(-1, 12)]
    for first in (None, *days[::3]):
        for last in (None, *days[1::4]):
            if first and last and first > last:
                continue
            inside = [
                row for row in everything
                if (not first or row.created_at.date() >= first) and (not last or row.created_at.date() <= last)
            ]  # fmt: skip
            found = transactions.statement(wallet, TransactionFilters.of_days(first, last))
            assert found.opening + found.money_in - found.money_out == found.closing
            assert found.money_in == sum(row.amount for row in inside if row.amount > 0)
            assert found.money_out == -sum(row.amount for row in inside if row.amount < 0)
            assert found.rows == len(inside)
            if inside:
                assert (found.opening, found.closing) == (inside[-1].balance_before, inside[0].balance_after)


def test_the_statement_of_an_empty_wallet_is_zero(app_context: Flask) -> None:
    found = transactions.statement(wallet_of(make_org()))
    assert (found.opening, found.money_in, found.money_out, found.closing, found.rows) == (0, 0, 0, 0, 0)


def key_of(org: Organization) -> Actor:
    with transaction(org=org.id):
        row = keys.make(org, name="Robot", scopes=["wallet:charge"], mode="test", by=SYSTEM).row
    return Actor("key", row.id)


def test_names_are_joined_when_read(app_context: Flask) -> None:
    org, person, manager = make_org(funds=100), make_user(name="Mara"), make_user(name="Olu", manager=True)
    wallet = wallet_of(org)
    actors = [
        Actor("user", person.id), key_of(org), Actor("manager", manager.id), SYSTEM, Actor("user", uuid4()),
        Actor("key", uuid4()),
    ]  # fmt: skip
    for number, by in enumerate(actors):
        ledger.post(wallet, type="charge", amount=-1, origin="api", key=str(number), by=by)
    rows = transactions.page(wallet, None, None, len(actors)).rows[::-1]
    names = transactions.names_of(rows)
    assert [names[row.id].split(" (")[0] for row in rows] == [
        "Mara", "Robot", "Platform manager", "System", "A former user", "A former key",
    ]  # fmt: skip
    assert "cof_test_" in names[rows[1].id]
    assert transactions.names_of(rows, for_manager=True)[rows[2].id] == "Olu"


def test_a_row_is_explained_by_who_and_what_and_what_followed(app_context: Flask) -> None:
    org = make_org(funds=100)
    wallet = wallet_of(org)
    ledger.post(wallet, type="charge", amount=-1, origin="api", key="order 7", by=key_of(org))
    spent, granted = transactions.page(wallet).rows
    found = explain.explain(spent)
    assert [step.kind for step in (*found.cause, *found.followed)] == ["actor", "origin", "posted"]
    assert "Robot" in found.cause[0].text
    assert "order 7" in found.cause[1].text
    assert found.followed[0].text == "The balance went from $0.000100 to $0.000099"
    found = explain.explain(granted)
    assert [step.kind for step in found.followed] == ["posted", "grant"]
    assert [grant.amount for grant in found.grants] == [100]


@pytest.mark.parametrize(
    ("type", "kind", "words"),
    [
        ("admin_grant", "manager", "A platform manager granted credits"),
        ("admin_grant", "key", "Requested through the API, idempotency key k"),
        ("deposit", "key", "Requested through the API, idempotency key k"),
        ("admin_removal", "manager", "A platform manager removed credits"),
        ("charge", "user", "Requested through the API, idempotency key k"),
    ],
)
def test_what_asked_for_a_row_is_told_by_its_type_and_actor(
    app_context: Flask, type: str, kind: str, words: str
) -> None:
    wallet = wallet_of(make_org(funds=100))
    amount = 5 * TRANSACTION_TYPES[type].sign
    slices = [ledger.NewGrant("paid", "deposit", amount)] if amount > 0 else []
    ledger.post(wallet, type=type, amount=amount, origin="api", key="k", by=Actor(kind, uuid4()), slices=slices)
    assert explain.explain(transactions.page(wallet).rows[0]).cause[1].text == words


def test_a_page_costs_a_fixed_number_of_statements(wallet: Wallet) -> None:
    counts = []
    for filters in (TransactionFilters(), parse(type="charge"), parse(from_="2026-06-02", q="bot")):
        seen: list[str] = []
        listen = lambda *args, seen=seen: seen.append(args[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listen)
        rows = transactions.page(wallet, filters, None, 50).rows
        transactions.names_of(rows)
        event.remove(db.engine, "before_cursor_execute", listen)
        counts.append(len(seen))
    assert counts == [1, 2, 4]
