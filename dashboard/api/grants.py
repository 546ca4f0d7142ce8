"""Credit grants: the parts of a wallet's balance, what is left of each and when it expires."""

from typing import Annotated, Literal

from flask import Response
from pydantic import Field, WithJsonSchema

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint
from dashboard.core import ids
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import credit_grants, wallets
from dashboard.models import Wallet

api = blueprint("grants")

State = Annotated[str, WithJsonSchema({"type": "string", "enum": list(credit_grants.STATES)})]


class GrantQuery(paging.PageQuery):
    state: State | None = Field(default=None, description="Only grants in this state.")
    wallet_id: paging.IdText | None = Field(
        default=None, description="Those of this wallet; by default, of the organization's dollar wallet."
    )

    def wanted(self) -> Literal["open", "expired", "used"] | None:
        """Raises Invalid."""
        found = next((one for one in credit_grants.STATES if one == self.state), None)
        if self.state is not None and found is None:
            text = f"Choose one of: {', '.join(credit_grants.STATES)}."
            raise Invalid(text, field="state", code="not_a_choice")
        return found


@api.get("/orgs/<org:org_id>/grants", responses={200: shapes.CreditGrantList})
def list_(path: inputs.OrgPath, query: GrantQuery) -> Response:
    """Credit grants of a wallet, newest first

    What is left of the open grants, less what an overdrawn wallet owes, is the wallet's balance. Promotional credit is
    spent before paid credit; within each, the lowest priority first, then what expires first, then the oldest.
    """
    access = auth.enter(path.org_id, Verb.READ_BALANCE)
    wallet = _wallet(access, query.wallet_id)
    page = credit_grants.page(wallet, query.wanted(), query.cursor, limit=query.size)
    rows = [shapes.credit_grant(row, wallet.unit) for row in page.rows]
    return answer(shapes.CreditGrantList(data=rows, next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/grants/<uuid:id>", responses={200: shapes.CreditGrant})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One credit grant"""
    access = auth.enter(path.org_id, Verb.READ_BALANCE)
    wallet = credit_grants.wallet_of(access.org.id, path.id)
    if wallet is None or wallet.mode != access.mode:
        raise NotFound("There is no such credit grant.")
    return answer(shapes.credit_grant(credit_grants.find(wallet, path.id), wallet.unit))


def _wallet(access: auth.Access, text: str | None) -> Wallet:
    if text is None:
        return wallets.of_organization(access.org.id, access.mode)
    wallet_id = ids.parse(text)
    wallet = wallets.find(access.org.id, wallet_id) if wallet_id else None
    if wallet is None or wallet.mode != access.mode:
        raise Invalid("There is no such wallet.", field="wallet_id", code="no_such_wallet")
    return wallet
