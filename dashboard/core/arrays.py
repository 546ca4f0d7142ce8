"""Lists as PostgreSQL's arrays. The driver looks at every element on its own; for a batch of a thousand rows with a
dozen columns, that would take longer than everything else in this process."""

from collections.abc import Callable
from datetime import datetime
from types import NoneType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.types.array import ListDumper


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_ELEMENTS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    int: str,
    UUID: lambda one: one.hex,
    bytes: lambda one: f'"\\\\x{one.hex()}"',
    datetime: lambda one: f'"{one}"',
}


class _FlatListDumper(ListDumper):
    """Lists of one common type, which may contain None. The driver dumps all others."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        types = set(map(type, obj))
        has_none = NoneType in types
        types.discard(NoneType)
        element = _ELEMENTS.get(types.pop()) if len(types) == 1 else None
        if element is None:
            return super().dump(obj)
        dumped = ",".join(["NULL" if one is None else element(one) for one in obj] if has_none else map(element, obj))
        return super().dump(obj) if "\x00" in dumped else f"{{{dumped}}}".encode()  # the driver says what is wrong


def register() -> None:
    """For every connection of this process."""
    psycopg.adapters.register_dumper(list, _FlatListDumper)
