"""Hard limits: what grows past them is split by its reader's needs."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("dashboard", "tests", "bench")
FILE_LINES, LONG_FILE_LINES, FUNCTION_LINES, VIEW_LINES = 300, 400, 50, 25
AREA_MODULES = 12
ROUTES = {"get", "post", "route", "put", "patch", "delete"}

SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SOURCES += [ROOT / "wsgi.py", ROOT / "worker.py", ROOT / "gunicorn.conf.py"]


def test_files_and_functions_are_short() -> None:
    assert [line for path in SOURCES for line in too_long(path)] == []


def test_areas_are_small() -> None:
    """An area of the domain holds at most a dozen modules; past that, it gets packages by noun."""
    folders = [path for path in (ROOT / "dashboard/domain").rglob("*") if path.is_dir() and path.name != "__pycache__"]
    assert {str(folder): many for folder in folders if (many := modules(folder)) > AREA_MODULES} == {}


def modules(folder: Path) -> int:
    return len([*folder.glob("*.py"), *folder.glob("*/__init__.py")]) - 1


def too_long(path: Path) -> Iterator[str]:
    text, inside = path.read_text(), path.relative_to(ROOT).parts
    long = inside[0] == "tests" or inside[:2] == ("dashboard", "models")
    if text.count("\n") > (LONG_FILE_LINES if long else FILE_LINES):
        yield str(path)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            most = VIEW_LINES if inside[:2] == ("dashboard", "web") and is_view(node) else FUNCTION_LINES
            if (node.end_lineno or 0) - node.lineno + 1 > most:
                yield f"{path}:{node.lineno} {node.name}"


def is_view(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr in ROUTES
        for mark in function.decorator_list
    )
