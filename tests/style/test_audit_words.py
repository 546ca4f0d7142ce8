"""Every action that the code records has a sentence, and every sentence an action that is recorded."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from dashboard.domain.audit import words
from dashboard.models import PAYMENT_STATES

ROOT = Path(__file__).resolve().parents[2]
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")

COMPOSED = {"payment.": {*PAYMENT_STATES, "accepted", "rejected"}}
"""Actions that are put together, by how they begin: what may follow."""


def recorded() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "dashboard").rglob("*.py"):
        found |= set(actions_in(ast.parse(path.read_text())))
    return found


def actions_in(tree: ast.Module) -> Iterator[str]:
    """Each action given to `audit.record`, and to a function of the file that takes one and hands it on."""
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    takers = {"audit.record": 1} | {
        node.name: [argument.arg for argument in node.args.args].index("action")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and any(argument.arg == "action" for argument in node.args.args)
    }
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        given = [one.value for one in call.keywords if one.arg == "action"]
        taker = ast.unparse(call.func)
        if taker in takers:
            given += call.args[takers[taker] : takers[taker] + 1]
        for value in given:
            found = list(texts(constants.get(value.id, value) if isinstance(value, ast.Name) else value))
            handed_on = isinstance(value, ast.Name) and value.id == "action"
            assert found or handed_on or taker != "audit.record", f"not readable here: {ast.unparse(call)}"
            yield from found


def texts(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and ACTION.fullmatch(value.value):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from texts(value.body)
        yield from texts(value.orelse)
    elif isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
        begin = str(value.values[0].value)
        assert begin in COMPOSED, f"say in COMPOSED what may follow {begin!r}"
        yield from (begin + rest for rest in COMPOSED[begin])


def test_every_recorded_action_has_a_sentence() -> None:
    found = recorded()
    assert len(found) >= 30
    assert found - words.ACTIONS.keys() == set(), "give each a sentence in dashboard/domain/audit/words.py"


def test_every_sentence_is_of_an_action_that_is_recorded() -> None:
    assert words.ACTIONS.keys() - recorded() == set()


def test_sentences_name_a_group_and_holes_that_exist() -> None:
    for action, (group, sentence) in words.ACTIONS.items():
        assert group in words.GROUPS, action
        assert set(re.findall(r"\{(\w+)", sentence)) <= {"who", "what", "before", "after"}, action
        said = words.sentence(action, who="Mara", what="It", before={}, after={})
        assert "{" not in said, action
        assert said[0].isupper(), action
    assert {group for group, _ in words.ACTIONS.values()} == set(words.GROUPS)
