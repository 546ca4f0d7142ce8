"""Expressions that search in texts of callers look at each character a bounded number of times, whatever the text."""

import re

import pytest

from dashboard.core import logs
from dashboard.domain.platform import webhooks
from dashboard.providers import reading
from dashboard.web import csv_lines
from tests.each import each
from tests.regex_steps import TooManySteps, steps

SIZE = 2 * 1024
LOOKED_AT = 80
"""How often each character may be looked at, however long the text: nine alternatives, and the bounded parts of each.
Beginning again at each of the beginnings below costs hundreds at this size, and sixteen times as many at 64 KB."""

BEGINNINGS = {
    logs._SECRET_TEXTS: [
        "-eyJ", "eyJa.", "cof_;", "-sk_", "Bearer  ", "Basic x;", "coffer=;", "/reset/", "?token=", f"{'f' * 32}_-",
        "a_secret_", "sk_*", "-cofp_", "password ", "password='", "a.a.a.a.a.a://:", "a-", "ab://x",
    ],
    logs._SECRET_NAMES: ["api_", "encryption_key"],
    csv_lines._FORMULA: ["\t", " ", ";", "; ", "; \t", "\r\n", "a;\t="],
    reading._NUL: ["\\", "\\\\u000", "\\u0000"],
    webhooks._DIGITS: ["1 ", "1", "1 1-;"],
}  # fmt: skip
CASES = [(expression, beginning) for expression, beginnings in BEGINNINGS.items() for beginning in beginnings]


@pytest.mark.slow
@each(("expression", "beginning"), CASES)
def test_a_search_looks_at_each_character_a_bounded_number_of_times(
    expression: re.Pattern[str], beginning: str
) -> None:
    assert steps(expression, (beginning * SIZE)[:SIZE], most=LOOKED_AT * SIZE) > 0


def test_the_count_tells_an_expression_that_begins_again_at_every_hyphen() -> None:
    text = ("-eyJ" * SIZE)[:SIZE]
    with pytest.raises(TooManySteps):
        steps(re.compile(r"\beyJ[\w-]+\."), text, most=LOOKED_AT * SIZE)
    assert steps(logs._SECRET_TEXTS, text, most=LOOKED_AT * SIZE) > SIZE
