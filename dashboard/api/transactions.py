"""The ledger for programs: the list with its filters, and one transaction with its cause."""

from dataclasses import replace
from uuid import UUID

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint
from dashboard.core import ids
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.access.permissions import Verb, allowed
from dashboard.domain.funds import transactions, wallets
from dashboard.domain.funds.transactions import TransactionFilters, explain
from dashboard.domain.organizations import memberships
from dashboard.models import Wallet

api = blueprint("transactions")


class FilterQuery(paging.PageQuery):
    """`from` and `to` are UTC days or RFC 3339 moments, both inclusive; the amounts are signed."""

    type: str | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    q: str | None = Field(
        default=None,
        description="Words of description or app, an amount, an idempotency key, a key's name, the start of an id.",
    )
    app: str | None = None
    member_id: str | None = Field(default=None, description="The `id` or the `user_id` of a member.")
    min_micros: str | None = None
    max_micros: str | None = None

    def filters(self) -> TransactionFilters:
        """Raises Invalid."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return TransactionFilters.parse({name: value for name, value in given.items() if name in _FILTERS})


class RowQuery(FilterQuery):
    wallet_id: str | None = None


_FILTERS = ("type", "from", "to", "q", "app", "member_id", "min_micros", "max_micros")


@api.get("/orgs/<org:org_id>/transactions", responses={200: shapes.TransactionList})
def list_(path: inputs.OrgPath, query: RowQuery) -> Response:
    """Transactions, newest first; a member's token sees only its own

    A search reads a limited number of rows: a page can be short or empty and still have a next cursor.
    """
    access = auth.enter(path.org_id, Verb.READ_OWN_ROWS)
    filters = replace(query.filters(), only_of=_only_of(access))
    if filters.member_id:
        filters = replace(filters, member_id=memberships.user_id_of(access.org.id, filters.member_id))
    wallet = (
        wallets.only_one(access.org.id, access.mode) if query.wallet_id is None else _wallet(access, query.wallet_id)
    )
    if wallet is None:
        page = transactions.of_organizations(access.org.id, access.mode, filters, query.cursor, query.size)
    else:
        page = transactions.page(wallet, filters, query.cursor, query.size)
    rows = shapes.transactions(page.rows)
    return answer(shapes.TransactionList(data=rows, next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/transactions/<uuid:id>", responses={200: shapes.ExplainedTransaction})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One transaction and what caused it"""
    access = auth.enter(path.org_id, Verb.READ_OWN_ROWS)
    row = transactions.find(access.org.id, path.id)
    only_of = _only_of(access)
    if row.mode != access.mode or (only_of and only_of not in (row.actor_id, row.member_id)):
        raise NotFound("There is no such transaction.")
    return answer(shapes.explained(row, wallets.units_of([row])[row.wallet_id], explain.explain(row)))


def _only_of(access: Access) -> UUID | None:
    """The only user whose rows are shown: a user who may not read the ledger sees only their own."""
    if access.person is None or allowed(Verb.READ_LEDGER, access.caller):
        return None
    return access.person.user_id


def _wallet(access: Access, text: str) -> Wallet:
    wallet_id = ids.parse(text)
    wallet = wallets.find(access.org.id, wallet_id) if wallet_id else None
    if wallet is None or wallet.mode != access.mode:
        raise Invalid("There is no such wallet.", field="wallet_id", code="no_such_wallet")
    return wallet
