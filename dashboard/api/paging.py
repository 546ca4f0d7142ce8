"""Lists: newest first, `limit` 1..100, an opaque cursor. Keyset pagination, never OFFSET."""

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.core import cursors, lists
from dashboard.core.errors import Invalid

MOST = 100

T = TypeVar("T")

# Text in the query, whose type in the document is what the text must be.
Limit = Annotated[str, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST, "default": lists.PAGE_ROWS})]
WholeNumber = Annotated[str, WithJsonSchema({"type": "integer"})]
IdText = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Since = Annotated[
    str | None,
    Field(default=None, alias="from", description="The first UTC day or RFC 3339 moment, inclusive: `2027-03-01`."),
]
Until = Annotated[
    str | None, Field(default=None, description="The last UTC day or RFC 3339 moment, inclusive: `2027-03-31`.")
]


class Query(BaseModel):
    """A query string: text values, no unknown names."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    @functools.cache  # flask-openapi asks for it on every request
    def model_json_schema(cls, *args: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override]
        return super().model_json_schema(*args, **named)


class PageQuery(Query):
    limit: Limit | None = Field(default=None, description="How many rows a page has at most.")
    cursor: str | None = Field(default=None, description="The `next_cursor` of the page before.")

    @property
    def size(self) -> int:
        """The number of rows requested. Raises Invalid."""
        if self.limit is None:
            return lists.PAGE_ROWS
        if not (self.limit.isascii() and self.limit.isdecimal() and len(self.limit) <= 3) or not (
            1 <= int(self.limit) <= MOST
        ):
            raise Invalid(f"Enter 1 to {MOST}.", field="limit", code="out_of_range")
        return int(self.limit)

    def page(self, query: Select[T], by: InstrumentedAttribute[UUID], *scope: Any) -> lists.Page[T]:
        """The page of `query` that is asked for. Raises Invalid."""
        return lists.page(query, by, self.cursor, *scope, limit=self.size)

    def after(self, *scope: Any) -> UUID | None:
        """The last id of the previous page. Raises Invalid."""
        return cursors.decode_id(self.cursor, *scope)

    def cut(self, sequence: Sequence[T], id_of: Callable[[T], UUID], *scope: Any) -> tuple[list[T], str | None]:
        """The page's rows and the next cursor, from the rows after `after`, up to one more than `size`."""
        page = lists.cut(sequence, id_of, self.cursor, *scope, limit=self.size)
        return page.rows, page.next_cursor
