"""The search finds transactions by what one knows of them, with bounded work."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain.access import keys
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger, transactions
from dashboard.domain.funds.transactions import TransactionFilters, recent
from tests.domain.funds.crowd import Crowd, make_crowd, rows_read
from tests.factories import charge, grant, make_org, wallet_of
from tests.servers import Servers

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def crowd(app_context: Flask, servers: Servers) -> Crowd:
    return make_crowd(make_org(), servers)


def parse(**values: str) -> TransactionFilters:
    return TransactionFilters.parse(values)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0.0181", {18_100, 18_149}), ("$0.0181", {18_100, 18_149}), ("-$0.0181", {18_100, 18_149}), ("+0.0181", set()),
        ("\u2212$0.4309", {430_920}), ("0.43", {430_920}), ("0.43092", {430_920}), ("0.4310", set()),
        ("0.431", {430_920}),
        ("1,204.50", {1_204_509_999}), ("1204.5", {1_204_509_999}), ("$1204.51", {1_204_509_999}), ("$5", {5_000_000}),
        ("0.000005", {5}), ("$", set()), ("0.0181 x", set()),
    ],
)  # fmt: skip
def test_an_amount_is_found_as_it_is_shown_or_rounded(app_context: Flask, text: str, micros: set[int]) -> None:
    wallet = wallet_of(make_org())
    grant(wallet, 9_000_000_000)
    for size in (18_100, 18_149, 18_200, 430_920, 1_204_509_999, 5_000_000, 5):
        charge(wallet, size)
    found = transactions.page(wallet, parse(q=text, type="charge")).rows
    assert {-row.amount for row in found} == micros
    across = transactions.of_organizations(wallet.org_id, wallet.mode, parse(q=text, type="charge")).rows
    assert {-row.amount for row in across} == micros


def test_a_row_is_found_by_its_key_app_id_and_api_key(app_context: Flask) -> None:
    org = make_org(funds=1_000)
    wallet, shown = wallet_of(org), {}
    with transaction(org=org.id):
        made = keys.make(org, name="Nightly job", scopes=["wallet:charge"], mode="test", by=SYSTEM)
    with clock.at(NOON - timedelta(days=90)):
        shown["old"] = charge(wallet, 1, "job-41", app="chat-api").id
    with clock.at(NOON):
        by = Actor("key", made.row.id)
        shown["new"] = ledger.post(wallet, type="charge", amount=-2, origin="api", key="1042", by=by).id
    last = made.key[-4:]
    old, new = {shown["old"]}, {shown["new"]}
    for text, wanted in (
        ("job-41", old), ("chat-API", old), ("job-4", set()), ("1042", new), ("nightly", new), (last, new),
        (str(shown["old"]), old), (str(shown["old"])[:13], old), (shown["new"].hex[:8].upper(), new),
    ):  # fmt: skip
        page = transactions.page(wallet, parse(q=text))
        assert {row.id for row in page.rows} == wanted, text
        across = transactions.of_organizations(org.id, wallet.mode, parse(q=text)).rows
        assert {row.id for row in across} == wanted, text
    assert not transactions.page(wallet, parse(q="job-41", type="admin_grant")).rows
    assert not transactions.page(wallet_of(make_org()), parse(q="job-41")).rows


def test_a_key_and_the_start_of_an_id_are_found_without_a_search(crowd: Crowd) -> None:
    wallet, _ = crowd
    row = transactions.page(wallet, TransactionFilters(q="c77")).rows[0]
    for text in ("c77", str(row.id), str(row.id)[:32]):
        filters = TransactionFilters(q=text)
        assert [found.seq for found in transactions.page(wallet, filters).rows] == [77]
        assert rows_read(lambda filters=filters: transactions.page(wallet, filters)) <= 20, text  # type: ignore[misc]


def test_a_search_stops_at_its_window(crowd: Crowd) -> None:
    wallet, _ = crowd
    assert rows_read(lambda: transactions.page(wallet, TransactionFilters(q="$7.77"), window=500)) <= 500 * 3


def test_an_hour_is_told_only_if_all_of_it_was_read(app_context: Flask) -> None:
    with clock.at(NOON):
        wallet = wallet_of(make_org())
        grant(wallet, 100)
    for hour, many in ((1, 3), (2, 2)):
        for minute in range(many):
            with clock.at(NOON + timedelta(hours=hour, minutes=minute)):
                charge(wallet, 5, app="chat")
    for read, told in ((50, [(2, -10), (3, -15), (1, 100)]), (4, [(2, -10)]), (2, [])):
        hours = recent.hours(wallet, only_of=None, most=10, read=read)
        assert [(hour.count, hour.amount) for hour in hours] == told
    assert recent.hours(wallet, only_of=wallet.id, most=10) == []
