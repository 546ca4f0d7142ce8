"""How many steps a regular expression takes over a text: the same search by backtracking as Python's, and counted.

A step is one character or one assertion that is looked at. Runs of one class of characters are measured by `re` itself.
"""

import re
from collections.abc import Iterable, Iterator
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

Node = tuple[Any, Any]
SINGLE = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN}
REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}


class TooManySteps(Exception):
    pass


def steps(pattern: re.Pattern[str], text: str, *, most: int) -> int:
    """The steps of `pattern.sub` over `text`. Raises TooManySteps above `most`."""
    return _Counter(pattern, text, most).search_all()


class _Counter:
    def __init__(self, pattern: re.Pattern[str], text: str, most: int) -> None:
        self._tree = _parser.parse(pattern.pattern, pattern.flags)
        self._flags, self._text, self._most = pattern.flags, text, most
        self._runs: dict[int, re.Pattern[str]] = {}
        self._count = 0

    def search_all(self) -> int:
        position, nodes = 0, list(self._tree)
        while position <= len(self._text):
            end = next(self._sequence(nodes, position), position)
            position = max(end, position + 1)
        return self._count

    def _step(self, number: int = 1) -> None:
        self._count += number
        if self._count > self._most:
            raise TooManySteps(f"more than {self._most} steps")

    def _sequence(self, nodes: list[Node], start: int) -> Iterator[int]:
        """Where `nodes`, one after another, may end: the preferred place first."""
        if not nodes:
            yield start
            return
        waiting = [self._ends(nodes[0], start)]
        while waiting:
            end = next(waiting[-1], None)
            if end is None:
                waiting.pop()
            elif len(waiting) == len(nodes):
                yield end
            else:
                waiting.append(self._ends(nodes[len(waiting)], end))

    def _ends(self, node: Node, start: int) -> Iterator[int]:
        kind, about = node
        if kind in SINGLE or kind is _constants.AT:
            return self._one(node, start)
        if kind in REPEATS:
            return self._repeated(kind, *about, start)
        if kind is _constants.BRANCH:
            return (end for choice in about[1] for end in self._sequence(list(choice), start))
        if kind is _constants.SUBPATTERN:
            return self._sequence(list(about[3]), start)
        if kind in (_constants.ASSERT, _constants.ASSERT_NOT):
            return self._looked(kind is _constants.ASSERT, *about, start)
        raise NotImplementedError(kind)

    def _one(self, node: Node, start: int) -> Iterator[int]:
        self._step()
        if found := self._compiled(node).match(self._text, start):
            yield found.end()

    def _looked(self, wanted: bool, direction: int, nodes: Iterable[Node], start: int) -> Iterator[int]:
        # Looking back, ours look at one character.
        begin = start if direction > 0 else start - 1
        if (begin >= 0 and next(self._sequence(list(nodes), begin), None) is not None) == wanted:
            yield start

    def _repeated(self, kind: Any, least: int, most: int, nodes: Any, start: int) -> Iterator[int]:
        if len(nodes) == 1 and nodes[0][0] in SINGLE:
            ends = self._run(kind, least, most, nodes[0], start)
        else:
            ends = self._groups(kind, least, most, list(nodes), start)
        return iter([end] if (end := next(ends, None)) is not None else []) if _possessive(kind) else ends

    def _run(self, kind: Any, least: int, most: int, node: Node, start: int) -> Iterator[int]:
        found = self._compiled(node, repeated=True).match(self._text, start)
        length = min(found.end() - start if found else 0, most)
        if kind is _constants.MIN_REPEAT:
            for number in range(least, length + 1):
                self._step()
                yield start + number
            return
        self._step(length + 1)
        for number in range(length, least - 1, -1):
            self._step()
            yield start + number

    def _groups(self, kind: Any, least: int, most: int, nodes: list[Node], start: int) -> Iterator[int]:
        assert kind is not _constants.MIN_REPEAT, "not needed so far"
        begins, waiting = [start], [self._sequence(nodes, start)]
        while waiting:
            end = next(waiting[-1], None) if len(waiting) <= most else None
            if end is not None and end > begins[-1]:
                begins.append(end)
                waiting.append(self._sequence(nodes, end))
                continue
            waiting.pop()
            begin = begins.pop()
            if len(waiting) >= least:
                yield begin

    def _compiled(self, node: Node, *, repeated: bool = False) -> re.Pattern[str]:
        key = (id(node) << 1) | repeated
        if key not in self._runs:
            nodes = [node]
            if repeated:
                nodes = [
                    (_constants.MAX_REPEAT, (0, _constants.MAXREPEAT, _parser.SubPattern(self._tree.state, nodes)))
                ]
            self._runs[key] = _compiler.compile(_parser.SubPattern(self._tree.state, nodes), self._flags)
        return self._runs[key]


def _possessive(kind: Any) -> bool:
    return kind is _constants.POSSESSIVE_REPEAT
