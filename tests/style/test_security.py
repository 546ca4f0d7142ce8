"""What the code never does, and the list of what ASVS asks for: complete, and true about its tests."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs" / "asvs-5.0-level-2.yaml"
STATES = ("test", "deployment", "document", "not yet", "not applicable")
HOLDS_NO_INPUT = ("dashboard/embedded", "dashboard/dev.py")
"""Start servers for development, with words of their own."""

SECTIONS = """
1.1:1-2 1.2:1-9 1.3:1-11 1.4:1-3 1.5:1-2 2.1:1-3 2.2:1-3 2.3:1-4 2.4:1 3.2:1-2 3.3:1-4 3.4:1-6 3.5:1-5 3.7:1-2
4.1:1-3 4.2:1 4.3:1-2 4.4:1-4 5.1:1 5.2:1-3 5.3:1-2 5.4:1-3 6.1:1-3 6.2:1-12 6.3:1-4 6.4:1-4 6.5:1-5 6.6:1-3
6.8:1-4 7.1:1-3 7.2:1-4 7.3:1-2 7.4:1-5 7.5:1-2 7.6:1-2 8.1:1-2 8.2:1-3 8.3:1 8.4:1 9.1:1-3 9.2:1-4 10.1:1-2
10.2:1-2 10.3:1-4 10.4:1-11 10.5:1-5 10.6:1-2 10.7:1-3 11.1:1-2 11.2:1-3 11.3:1-3 11.4:1-4 11.5:1 11.6:1
12.1:1-3 12.2:1-2 12.3:1-4 13.1:1 13.2:1-5 13.3:1-2 13.4:1-5 14.1:1-2 14.2:1-4 14.3:1-3 15.1:1-3 15.2:1-3
15.3:1-7 16.1:1 16.2:1-5 16.3:1-4 16.4:1-3 16.5:1-3 17.1:1 17.2:1-4 17.3:1-2
"""
"""The requirements of levels 1 and 2 as version 5.0.0 of the standard numbers them."""


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "dashboard").rglob("*.py")):
        yield path, ast.parse(path.read_text())


def test_no_text_is_run_and_no_program_is_started() -> None:
    for path, tree in sources():
        if str(path.relative_to(ROOT)).startswith(HOLDS_NO_INPUT):
            continue
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {"eval", "exec", "compile", "__import__"} & names, path
        assert not {"subprocess", "pickle", "marshal", "shelve", "pty", "xml", "lxml", "telnetlib"} & imported, path
        calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not {"system", "popen", "unsafe_load", "full_load", "render_template_string", "from_string"} & calls, (
            path
        )


def test_no_statement_is_put_together_while_it_runs() -> None:
    for path, tree in sources():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "text":
                        parts = {type(node) for argument in call.args for node in ast.walk(argument)}
                        assert not {ast.JoinedStr, ast.BinOp} & parts, f"{path}:{call.lineno}"


def requirements() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(LIST.read_text())
    return found


def numbered() -> list[str]:
    ids = []
    for section, spans in (word.split(":") for word in SECTIONS.split()):
        for span in spans.split(","):
            first, _, last = span.partition("-")
            ids += [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]
    return ids


def test_the_list_has_every_requirement_once_in_order() -> None:
    assert len(numbered()) == 253
    assert [one["id"] for one in requirements()] == numbered()
    for one in requirements():
        assert set(one) == {"id", "level", "about", "state", "by"}, one["id"]
        assert one["level"] in (1, 2), one["id"]
        assert one["state"] in STATES, one["id"]
        assert one["about"], one["id"]
        assert one["by"], one["id"]


def test_what_the_list_names_is_there() -> None:
    for one in requirements():
        if one["state"] == "test":
            path, _, name = one["by"].partition("::")
            assert (ROOT / path).is_file(), one
            assert re.search(rf"^(?:    )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), one
        for file in re.findall(r"\b(?:docs|deploy|tests|dashboard|static)/[\w./-]+\w", one["by"]):
            assert (ROOT / file).exists(), one


def test_the_figures_in_the_documentation_are_those_of_the_list() -> None:
    count = Counter(one["state"] for one in requirements())
    applicable = 253 - count["not applicable"]
    told = " ".join((ROOT / "docs" / "security.md").read_text().split())
    assert (
        f"Of 253 requirements {applicable} apply: {count['test']} shown by a test, {count['deployment']} by what is"
        f" shipped for deployment, {count['document']} by a document; {count['not yet']} not yet."
    ) in told
