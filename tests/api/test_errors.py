"""Every error says the same things: its section, whether to try again, and its fields by the same codes."""

import pytest

from tests.api.conftest import Program, problem


def test_an_error_links_its_section_and_says_whether_to_try_again(program: Program) -> None:
    org = program.org()
    key = program.key(org, "wallet:charge")
    body = {"operation": "charge", "amount_micros": 5}
    told = problem(program.post(f"/api/v1/orgs/{org.id}/wallet", key, json=body), 402, "insufficient_funds")
    assert told["type"] == "http://localhost/api/v1/docs#insufficient_funds"
    assert told["retryable"] is False
    unknown = problem(program.get("/api/v1/nothing"), 404, "not_found")
    assert unknown["retryable"] is False


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "out_of_range"), ("limit=x", "limit", "out_of_range"),
        ("cursor=x", "cursor", "not_a_cursor"), ("type=x", "type", "not_a_choice"),
        ("member_id=x", "member_id", "not_an_id"), ("from=x", "from", "not_a_time"),
        ("min_micros=x", "min_micros", "not_an_integer"), ("min_micros=2&max_micros=1", "max_micros", "out_of_range"),
        ("nonsense=1", "nonsense", "unknown_field"),
    ],
)  # fmt: skip
def test_errors_of_a_query_have_the_codes_of_a_body(program: Program, query: str, field: str, code: str) -> None:
    org = program.org()
    key = program.key(org, "wallet:read")
    told = problem(program.get(f"/api/v1/orgs/{org.id}/transactions?{query}", key), 422, "invalid")
    assert [(one["field"], one["code"]) for one in told["errors"]] == [(field, code)]
