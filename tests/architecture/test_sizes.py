"""Hard limits: what grows past them is split by its reader's needs."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("dashboard", "tests", "bench")
FILE_LINES, LONG_FILE_LINES, FUNCTION_LINES, VIEW_LINES = 300, 400, 50, 25
ROUTES = {"get", "post", "route", "put", "patch", "delete"}

SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SOURCES += [ROOT / "wsgi.py", ROOT / "worker.py", ROOT / "gunicorn.conf.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    inside = path.relative_to(ROOT).parts
    long = inside[0] == "tests" or inside[:2] == ("dashboard", "models")
    assert text.count("\n") <= (LONG_FILE_LINES if long else FILE_LINES)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES, node.name
            if inside[:2] == ("dashboard", "web") and is_view(node):
                assert lines <= VIEW_LINES, node.name


def is_view(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr in ROUTES
        for mark in function.decorator_list
    )
