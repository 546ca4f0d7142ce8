"""A program follows a wallet by seq, and finds a row by its key or payment, without reading the others."""

from uuid import UUID

import pytest
from flask import Flask

from dashboard.core import ids
from dashboard.domain.funds import transactions
from dashboard.domain.funds.transactions import TransactionFilters
from tests.domain.funds.crowd import ROWS, Crowd, make_crowd, rows_read
from tests.factories import make_org
from tests.servers import Servers


@pytest.fixture
def crowd(app_context: Flask, servers: Servers) -> Crowd:
    return make_crowd(make_org(), servers)


def test_the_rows_after_a_seq_are_read_and_no_others(crowd: Crowd) -> None:
    wallet, _ = crowd
    for after in (0, ROWS // 2, ROWS - 5, ROWS):
        page = transactions.oldest_first(wallet, after_seq=after, limit=10)
        assert [row.seq for row in page.rows] == list(range(after + 1, min(after + 11, ROWS + 1)))
        assert (page.next_cursor is None) == (after >= ROWS - 10)
        assert rows_read(lambda after=after: transactions.oldest_first(wallet, after_seq=after, limit=10)) <= 60  # type: ignore[misc]


def test_a_filter_in_ascending_order_stops_at_its_window(crowd: Crowd) -> None:
    wallet, _ = crowd
    filters = TransactionFilters(actor_id=UUID(int=7))
    assert rows_read(lambda: transactions.oldest_first(wallet, filters, window=500)) <= 500 * 3
    page = transactions.oldest_first(wallet, filters, window=500)
    assert (page.rows, page.searched_all) == ([], False)
    after = transactions.oldest_first(wallet, filters, page.next_cursor, window=ROWS)
    assert (after.rows, after.next_cursor) == ([], None)


def test_a_key_and_a_payment_are_looked_up(crowd: Crowd) -> None:
    wallet, _ = crowd
    key, nothing = TransactionFilters(idempotency_key="c77"), TransactionFilters(payment_id=ids.new())
    assert [row.seq for row in transactions.exact(wallet.org_id, "test", key).rows] == [77]
    assert not transactions.exact(wallet.org_id, "live", key).rows
    assert not transactions.exact(wallet.org_id, "test", key, wallet_id=ids.new()).rows
    for filters in (key, nothing):
        read = rows_read(lambda filters=filters: transactions.exact(wallet.org_id, "test", filters))  # type: ignore[misc]
        assert read <= 20, filters
