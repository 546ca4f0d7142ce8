"""Wallets: their balances, and the two ways in which a program moves money: deposit and charge."""

from typing import Literal

from flask import Response

from dashboard.api import auth, idempotency, inputs, paging, shapes
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.core.db import db, transaction
from dashboard.core.errors import NotFound
from dashboard.domain import audit, org_status
from dashboard.domain.access import limits
from dashboard.domain.access.permissions import Verb, origin_of
from dashboard.domain.funds import charging, ledger, transactions, wallets
from dashboard.domain.funds.ledger import Posting
from dashboard.domain.funds.spend_limits import Spender
from dashboard.domain.org_status import OrgAction
from dashboard.models import ApiKey, Transaction, Wallet

SHORT = (
    "The balance is too low (`insufficient_funds`), the wallet is frozen (`wallet_frozen`), or a spend limit or the "
    "key's cap has no room until `resets_at` (`limit_reached`, `key_cap_exceeded`). Nothing was booked."
)

VERBS = {"charge": Verb.CHARGE, "deposit": Verb.DEPOSIT}

api = blueprint("wallet")


class WalletMovement(inputs.Body):
    """`deposit` is for money that was received elsewhere, `charge` for something sold."""

    operation: Literal["deposit", "charge"]
    amount_micros: inputs.AmountMicros
    description: inputs.Text = ""
    app: inputs.App | None = None
    idempotency_key: inputs.Key | None = None


@api.get("/orgs/<org:org_id>/wallet", responses={200: shapes.Wallet})
def retrieve(path: inputs.OrgPath) -> Response:
    """The organization's dollar wallet"""
    access = auth.enter(path.org_id, Verb.READ_BALANCE)
    return answer(shapes.wallet(wallets.of_organization(access.org.id, access.mode), access.org))


@api.get("/orgs/<org:org_id>/wallets", operation_id="wallets_list", responses={200: shapes.WalletList})
def list_(path: inputs.OrgPath, query: paging.PageQuery) -> Response:
    """All wallets in the caller's mode"""
    access = auth.enter(path.org_id, Verb.READ_BALANCE)
    wanted = wallets.in_mode(access.org.id, access.mode)
    page = query.page(wanted, Wallet.id, "wallets", access.org.id, access.mode)
    rows = [shapes.wallet(row, access.org) for row in page.rows]
    return answer(shapes.WalletList(data=rows, next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/wallets/<uuid:id>", operation_id="wallets_retrieve", responses={200: shapes.Wallet})
def retrieve_one(path: inputs.OrgItemPath) -> Response:
    """One wallet"""
    access = auth.enter(path.org_id, Verb.READ_BALANCE)
    row = wallets.find(access.org.id, path.id)
    if row is None or row.mode != access.mode:
        raise NotFound("There is no such wallet.")
    return answer(shapes.wallet(row, access.org))


@api.post(
    "/orgs/<org:org_id>/wallet",
    responses={201: shapes.WalletMovementResult, 402: refusal(SHORT)},
)
@idempotency.own_row
def move(path: inputs.OrgPath, body: WalletMovement) -> Response:
    """Deposit or charge"""
    verb = VERBS[body.operation]
    access = auth.enter(path.org_id, verb, OrgAction.SPEND if verb is Verb.CHARGE else OrgAction.READ)
    auth.require_open(access)
    key = idempotency.key(body.idempotency_key)
    wallet = wallets.of_organization(access.org.id, access.mode)
    posting = _charge(access, wallet, body, key) if verb is Verb.CHARGE else _deposit(access, wallet, body, key)
    return _moved(access, wallet, posting, body, key)


def _charge(access: auth.Access, wallet: Wallet, body: WalletMovement, key: str) -> Posting:
    return charging.charge(
        wallet, org=access.org, amount=body.amount_micros, origin=_origin(access, body), key=key, by=access.actor,
        spender=spender_of(access), description=body.description, app=body.app or "", body_hash=_hash(wallet, body),
    )  # fmt: skip


def spender_of(access: auth.Access, *, app: str = "") -> Spender:
    """Who spends: charges with a personal token count as those of its user."""
    row = auth.bearer()
    if isinstance(row, ApiKey):
        return limits.spender_of_key(row, app=app)
    return limits.spender_of_member(access.org.id, row.user_id, access.caller.role, app=app)


def _deposit(access: auth.Access, wallet: Wallet, body: WalletMovement, key: str) -> Posting:
    with transaction(org=access.org.id):
        org_status.hold_open(access.org.id)
        posting = ledger.post(
            wallet, type="deposit", amount=body.amount_micros, origin=_origin(access, body), key=key, by=access.actor,
            description=body.description, app=body.app or "", body_hash=_hash(wallet, body),
            slices=[ledger.NewGrant("paid", "deposit", body.amount_micros)],
        )  # fmt: skip
        if not posting.replayed:
            audit.record(
                audit.Ref("transaction", posting.id), "credits.deposited", by=access.actor, org=access.org.id,
                before={"balance": posting.balance_before},
                after={"balance": posting.balance_after, "amount": posting.amount, "description": body.description},
            )  # fmt: skip
    return posting


def _origin(access: auth.Access, body: WalletMovement) -> str:
    return origin_of(VERBS[body.operation], access.caller)


def _hash(wallet: Wallet, body: WalletMovement) -> bytes:
    fields = body.model_dump(exclude={"idempotency_key"}, exclude_none=True)
    return ledger.body_hash(f"/api/v1/orgs/{wallet.org_id}/wallet", fields)


def _moved(access: auth.Access, wallet: Wallet, posting: Posting, body: WalletMovement, key: str) -> Response:
    """The wallet after the posting; for a replay, the current wallet with the first row."""
    if posting.replayed:
        db.session.refresh(wallet)
        values = shapes.wallet_values(wallet, access.org)
        row = transactions.find(wallet.org_id, posting.id)
    else:
        values = shapes.wallet_values(wallet, access.org, posting.balance_after)
        row = _row(access, wallet, posting, body, key)  # what was just written need not be read again
    shape = shapes.WalletMovementResult(**values, transaction=shapes.transaction(row, wallet.unit))
    return idempotency.answered(answer(shape, 201), key, replayed=posting.replayed)


def _row(access: auth.Access, wallet: Wallet, posting: Posting, body: WalletMovement, key: str) -> Transaction:
    return Transaction(
        org_id=wallet.org_id, id=posting.id, wallet_id=wallet.id, mode=wallet.mode, seq=posting.seq, type=posting.type,
        amount=posting.amount, balance_before=posting.balance_before, balance_after=posting.balance_after,
        origin=_origin(access, body), key=key, description=body.description, actor_kind=access.actor.kind,
        actor_id=access.actor.id, app=body.app or "",
        member_id=access.actor.user_id, created_at=posting.created_at,
    )  # fmt: skip
