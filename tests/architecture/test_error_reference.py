"""The reference knows every code that is raised, and field errors speak with one voice."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

import dashboard
from dashboard.api import error_codes, errors, inputs, paging
from dashboard.core.errors import CofferError

ROOT = Path(__file__).resolve().parents[2] / "dashboard"
ONLY_PAGES = {
    "already_made", "bad_code", "bad_credentials", "changed_meanwhile", "confirmation_needed", "dead_link",
    "email_taken", "invalid_mail", "last_manager", "not_in_review", "not_parked", "not_retryable", "own_account",
    "own_account_missing", "weak_password",
}  # fmt: skip
"""Raised only for people, on pages."""

KNOWN = {one.code: one for one in errors.reference()}
RAISED = {"CofferError", "Conflict", "DeadInvite", "Forbidden", "Invalid", "Refused", "Unavailable", "TooManyRequests"}


def classes(base: type[CofferError] = CofferError) -> Iterator[type[CofferError]]:
    yield base
    for each in base.__subclasses__():
        yield from classes(each)


def literals() -> Iterator[tuple[str, str]]:
    """The class and the code of each `raise X(..., code="...")`."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED:
                for one in node.keywords:
                    if one.arg == "code" and isinstance(one.value, ast.Constant):
                        yield node.func.id, one.value.value  # type: ignore[attr-defined]


def test_every_code_that_is_raised_has_an_entry_with_its_status() -> None:
    for module in pkgutil.walk_packages(dashboard.__path__, "dashboard."):
        if not module.name.startswith(("dashboard.embedded", "dashboard.dev")):
            importlib.import_module(module.name)
    by_name = {one.__name__: one for one in classes()}
    found = {(one.code, one.status) for one in by_name.values()}
    found |= {(code, by_name[name].status) for name, code in literals() if code not in error_codes.FIELD_CODES}
    missing = {one for one in found if one[0] not in ONLY_PAGES | KNOWN.keys()}
    assert not missing
    assert not {(code, status) for code, status in found if code in KNOWN and KNOWN[code].status != status}
    assert not ONLY_PAGES & KNOWN.keys()
    assert len(found) > 70


def test_entries_are_whole_and_their_codes_are_unique() -> None:
    codes = [one.code for one in errors.reference()]
    assert len(codes) == len(set(codes))
    for one in errors.reference():
        assert [text[-1:] for text in (one.when, one.remedy)] == [".", "."], one


ODD: list[Any] = [None, "", "x" * 3_000, "x", [], ["x"] * 200, {}, True, 1, -1, 10**18, inputs.Odd("1.5")]


def bodies(base: type[Any]) -> Iterator[type[Any]]:
    yield base
    for each in base.__subclasses__():
        yield from bodies(each)


def test_field_errors_speak_with_one_voice() -> None:
    """No sentence of the validating library leaves, whatever is sent for any field of any call."""
    seen = set()
    for shape in (*bodies(inputs.Body), *bodies(paging.Query)):
        for name in (*shape.model_fields, "nonsense"):
            for value in ODD:
                for one in refusals(shape, {name: value}):
                    assert not one["detail"].startswith(("Input", "Value", "Field", "String", "List")), one
                    assert one["detail"].endswith("."), one
                    seen.add(one["code"])
    assert seen <= error_codes.FIELD_CODES.keys() | KNOWN.keys()
    assert len(seen) > 10


def refusals(shape: type[Any], values: dict[str, Any]) -> list[dict[str, str]]:
    try:
        shape.model_validate(values)
    except ValidationError as error:
        rows: list[ErrorDetails] = error.errors(include_url=False)
        return [errors.field_error(one) for one in rows]
    return []
