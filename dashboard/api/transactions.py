"""The ledger for programs: the list with its filters, and one transaction with its cause."""

import re
from dataclasses import replace
from typing import Annotated, Literal

from flask import Response
from pydantic import Field, WithJsonSchema

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint
from dashboard.core import ids, lists
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import transactions, wallets
from dashboard.domain.funds.credit_grants import used
from dashboard.domain.funds.transactions import TransactionFilters, explain
from dashboard.domain.organizations import memberships
from dashboard.domain.usage.reading import explained
from dashboard.models import TRANSACTION_TYPES, Transaction, Wallet

api = blueprint("transactions")


_PAGING = {*paging.PageQuery.model_fields}
_SEQ = re.compile(r"[0-9]{1,18}", re.ASCII)
TransactionType = Annotated[str, WithJsonSchema({"type": "string", "enum": list(TRANSACTION_TYPES)})]


class FilterQuery(paging.PageQuery):
    """The amounts are signed."""

    type: TransactionType | None = Field(default=None, description="Only transactions of this type.")
    from_: paging.Since
    to: paging.Until
    q: str | None = Field(
        default=None,
        description="Words of description or app, an amount, an idempotency key, a key's name, the start of an id.",
    )
    app: str | None = Field(default=None, description="Only those of this app.")
    member_id: paging.IdText | None = Field(default=None, description="The `id` or the `user_id` of a member.")
    actor_id: paging.IdText | None = Field(
        default=None, description="The user or key that acted; a user's rows are also those of their keys."
    )
    min_micros: paging.WholeNumber | None = Field(default=None, description="The smallest signed amount.")
    max_micros: paging.WholeNumber | None = Field(default=None, description="The largest signed amount.")
    idempotency_key: str | None = Field(default=None, description="The key that the request was sent with.")
    payment_id: paging.IdText | None = Field(default=None, description="Only those of this payment.")

    def filters(self) -> TransactionFilters:
        """Raises Invalid."""
        given = self.model_dump(by_alias=True, exclude_none=True, include={*FilterQuery.model_fields} - _PAGING)
        return TransactionFilters.parse(given)


class TransactionQuery(FilterQuery):
    wallet_id: paging.IdText | None = Field(default=None, description="Only those of this wallet.")
    order: Literal["asc", "desc"] = Field(
        default="desc", description="By time. `asc` needs `wallet_id`: it follows `seq`, and misses nothing."
    )
    after_seq: paging.WholeNumber | None = Field(
        default=None,
        description="Only rows above this `seq`, in ascending order: a program continues where it stopped.",
    )

    @property
    def resumes_at(self) -> int | None:
        """The seq after which rows are wanted in ascending order; None for the usual order. Raises Invalid."""
        if self.after_seq is None:
            return 0 if self.order == "asc" else None
        if not _SEQ.fullmatch(self.after_seq):
            raise Invalid("Enter a whole number, 0 or more.", field="after_seq", code="not_an_integer")
        return int(self.after_seq)


@api.get("/orgs/<org:org_id>/transactions", responses={200: shapes.TransactionList})
def list_(path: inputs.OrgPath, query: TransactionQuery) -> Response:
    """Transactions, newest first; a member's token sees only its own

    A search reads a limited number of rows: a page can be short or empty and still have a next cursor. To read every
    row once, also later ones, name the wallet and continue after the highest `seq` that you have seen (`after_seq`).
    """
    access = auth.enter(path.org_id, Verb.READ_OWN_ROWS)
    filters = replace(query.filters(), only_of=auth.only_of(access, Verb.READ_LEDGER))
    if filters.member_id:
        filters = replace(filters, member_id=memberships.user_id_of(access.org.id, filters.member_id))
    page = _page(access, query, filters)
    rows = shapes.transactions(page.rows)
    return answer(shapes.TransactionList(data=rows, next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/transactions/<uuid:id>", responses={200: shapes.ExplainedTransaction})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One transaction and what caused it"""
    access = auth.enter(path.org_id, Verb.READ_OWN_ROWS)
    row = transactions.find(access.org.id, path.id)
    only_of = auth.only_of(access, Verb.READ_LEDGER)
    if row.mode != access.mode or (only_of and only_of not in (row.actor_id, row.member_id)):
        raise NotFound("There is no such transaction.")
    unit = wallets.units_of([row])[row.wallet_id]
    facts = explain.explain(row), explained.of_transaction(row), used.used_by(row)
    return answer(shapes.explained(row, unit, *facts))


def _page(access: Access, query: TransactionQuery, filters: TransactionFilters) -> lists.Page[Transaction]:
    wallet = None if query.wallet_id is None else _wallet(access, query.wallet_id)
    after_seq = query.resumes_at
    if after_seq is not None:
        if wallet is None:
            raise Invalid("Name the wallet: seq counts within one wallet.", field="wallet_id", code="required")
        return transactions.oldest_first(wallet, filters, query.cursor, query.size, after_seq=after_seq)
    if filters.exact:
        return transactions.exact(
            access.org.id, access.mode, filters, query.cursor, query.size, wallet_id=wallet.id if wallet else None
        )
    wallet = wallet or wallets.only_one(access.org.id, access.mode)
    if wallet is None:
        return transactions.of_organizations(access.org.id, access.mode, filters, query.cursor, query.size)
    return transactions.page(wallet, filters, query.cursor, query.size)


def _wallet(access: Access, text: str) -> Wallet:
    wallet_id = ids.parse(text)
    wallet = wallets.find(access.org.id, wallet_id) if wallet_id else None
    if wallet is None or wallet.mode != access.mode:
        raise Invalid("There is no such wallet.", field="wallet_id", code="no_such_wallet")
    return wallet
