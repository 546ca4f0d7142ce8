"""Lists of every kind come back from PostgreSQL as they were given."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from dashboard.core import arrays
from tests.servers import Servers

ODD = ["", "NULL", "null", "a b", '"', "\\", '\\"', "{}", ",", "é\u3000\u1680", "\n\t", "\\x00", "'"]


@pytest.mark.parametrize(
    ("type", "values"),
    [
        ("text", ODD), ("text", [None, *ODD, None]), ("text", [None]), ("text", []), ("text", [["a"], ["b"]]),
        ("bigint", [0, -1, 2**63 - 1, -(2**63)]), ("bigint", [None, 1]), ("int", [1, 2]),
        ("uuid", [uuid4(), uuid4()]), ("uuid", [uuid4(), None]), ("bytea", [b"", b"\x00\\\"", bytes(range(256))]),
        ("timestamptz", [datetime(2030, 1, 2, 3, 4, 5, 678, UTC), None]), ("boolean", [True, False, None]),
        ("text", ["x"] * 5_000),
    ],
)  # fmt: skip
def test_an_array_is_read_as_it_was_written(servers: Servers, type: str, values: list[Any]) -> None:
    arrays.register()
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as connection:
        read = connection.execute(f"SELECT CAST(%s AS {type}[])", [values]).fetchone()
    assert read == (values,)


def test_text_that_cannot_be_stored_is_refused(servers: Servers) -> None:
    arrays.register()
    with psycopg.connect(servers.database_url.replace("+psycopg", "")) as connection:
        for bad in ("a\x00b", "\ud800"):
            with pytest.raises((psycopg.DataError, UnicodeEncodeError)):
                connection.execute("SELECT CAST(%s AS text[])", [["good", bad]])
