"""The filters of a list of transactions, parsed strictly from a query string or a form."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, time
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_

from dashboard.core import days, lists, money
from dashboard.core.errors import Invalid
from dashboard.domain.funds.origins import SENT
from dashboard.domain.funds.transactions import search
from dashboard.models import TRANSACTION_TYPES, Transaction

LONGEST_KEY = 255
DIRECTIONS = ("in", "out")

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TransactionFilters(lists.Times):
    """`min_micros` and `max_micros` bound the signed amount, the sizes the absolute amount. `q` is
    what `search` understands, `key_ids` the keys that it names."""

    type: str | None = None
    q: str | None = None
    app: str | None = None
    member_id: UUID | None = None
    min_micros: int | None = None
    max_micros: int | None = None
    min_size: int | None = None
    max_size: int | None = None
    direction: str | None = None
    actor_id: UUID | None = None
    key_ids: tuple[UUID, ...] | None = None
    idempotency_key: str | None = None
    payment_id: UUID | None = None
    only_of: UUID | None = None
    """Only what counts to this user, whatever `member_id` asks for."""

    @classmethod
    def of_days(cls, first: date | None, last: date | None, **others: Any) -> "TransactionFilters":
        """The filters for whole UTC days, both inclusive."""
        return cls(since=days.begin(first) if first else None, until=days.after(last) if last else None, **others)

    @classmethod
    def parse(cls, values: Mapping[str, str], *, only_of: UUID | None = None) -> "TransactionFilters":
        """Parse `type from to q app member_id actor_id direction min_micros max_micros idempotency_key payment_id` and,
        in credits, `min max`; `by` is the same as `actor_id`: the id of a user or a key. Empty values filter nothing.
        Raises Invalid with the field.
        """
        typed = lists.Typed(values)
        row = cls(
            type=typed.one_of("type", TRANSACTION_TYPES),
            q=typed.text("q"),
            app=typed.text("app"),
            member_id=typed.id("member_id"),
            min_micros=_integer(typed, "min_micros"),
            max_micros=_integer(typed, "max_micros"),
            min_size=money.parse_credits(typed["min"], field="min") if "min" in typed else None,
            max_size=money.parse_credits(typed["max"], field="max") if "max" in typed else None,
            direction=typed.one_of("direction", DIRECTIONS),
            actor_id=typed.id("actor_id") or typed.id("by"),
            idempotency_key=typed.text("idempotency_key", most=LONGEST_KEY),
            payment_id=typed.id("payment_id"),
            key_ids=None,
            only_of=only_of,
            **typed.times(),
        )
        _require_order(row.min_micros, row.max_micros, "max_micros", "The largest amount is below the smallest.")
        _require_order(row.min_size, row.max_size, "max", "The largest amount is below the smallest.")
        return row

    def with_keys(self, org_id: UUID) -> "TransactionFilters":
        """The same filters, which now also find what the organization's keys with a name like `q` did."""
        return replace(self, key_ids=search.keys_named(org_id, self.q)) if self.q else self

    def conditions(self, row: Any) -> list[ColumnElement[bool]]:
        """The filters other than days, as conditions on the entity `row`. Only those on the user have an index."""
        sized = func.abs(row.amount)
        tests: list[tuple[Any, Callable[[Any, Any], ColumnElement[bool]], Any]] = [
            (row.type, operator.eq, self.type),
            (row.app, operator.eq, self.app),
            (row.member_id, operator.eq, self.member_id),
            (row.member_id, operator.eq, self.only_of),
            (row.payment_id, operator.eq, self.payment_id),
            (row.key, operator.eq, self.idempotency_key),
            (row.amount, operator.ge, self.min_micros),
            (row.amount, operator.le, self.max_micros),
            (sized, operator.ge, self.min_size),
            (sized, operator.le, self.max_size),
        ]
        rows = [test(column, value) for column, test, value in tests if value is not None]
        if self.actor_id:  # a user's rows are also those of their keys
            rows.append(or_(row.actor_id == self.actor_id, row.member_id == self.actor_id))
        if self.direction:
            rows.append(row.amount > 0 if self.direction == "in" else row.amount < 0)
        if self.idempotency_key:
            rows.append(row.origin.in_(SENT))
        if self.q:
            rows.append(search.conditions(self.q, row, key_ids=self.key_ids or ()))
        return rows

    @property
    def exact(self) -> bool:
        """Whether only a few rows can match, which have an index: `transactions.exact` reads them."""
        return self.idempotency_key is not None or self.payment_id is not None

    @property
    def user_id(self) -> UUID | None:
        """The user whose rows are wanted; these have an index."""
        return self.only_of or self.member_id

    @property
    def only_by_user(self) -> bool:
        """Whether the user is the only filter besides whole days."""
        rest = replace(self, only_of=None, member_id=None)
        return self.whole_days and not rest.conditions(Transaction)

    @property
    def whole_days(self) -> bool:
        """Whether both ends are UTC midnights: then days are sufficient."""
        return all(moment is None or moment.time() == time.min for moment in (self.since, self.until))


def _integer(typed: lists.Typed, field: str) -> int | None:
    value = typed.get(field)
    if value is None:
        return None
    if not _INTEGER.fullmatch(value):
        raise Invalid("Enter a whole number of micros.", field=field, code="not_an_integer")
    return int(value)


def _require_order(low: int | None, high: int | None, field: str, sentence: str) -> None:
    if low is not None and high is not None and low > high:
        raise Invalid(sentence, field=field, code="out_of_range")
