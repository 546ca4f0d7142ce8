"""Organizations as platform managers see them: the list, and the content of one organization's page besides its
ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from dashboard.core import clock, lists
from dashboard.core.db import db
from dashboard.domain.funds import wallets
from dashboard.domain.funds.reports import costs, forecast
from dashboard.domain.funds.reports.forecast import Forecast
from dashboard.domain.platform import search
from dashboard.models import (
    ADJUSTMENTS,
    OVERDRAWN,
    ApiKey,
    AuditEntry,
    CreditGrant,
    Membership,
    Organization,
    Payment,
    Transaction,
    User,
    Wallet,
    WalletDay,
)

COST_DAYS = 30
PAYMENT_STATES = {"review": "review", "uncredited": "paid", "unknown": "unknown"}
STATES = ("overdrawn", "out", "low", *PAYMENT_STATES, "no_keys", "suspended", "closed")
KINDS = ("team", "personal")


@dataclass(frozen=True, slots=True)
class OrganizationFilters:
    """`state` is one of STATES, `kind` one of KINDS; an empty filter matches everything."""

    q: str | None = None
    state: str | None = None
    kind: str | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> "OrganizationFilters":
        """Raises Invalid with its field."""
        typed = lists.Typed(values)
        return cls(typed.text("q", verb="Search for"), typed.one_of("state", STATES), typed.one_of("kind", KINDS))


@dataclass(frozen=True, slots=True)
class Row:
    """`cost_micros` of the last 30 UTC days; `keys` is the number that are not revoked."""

    org: Organization
    wallet: Wallet
    owner: User | None
    cost_micros: int
    forecast: Forecast
    keys: int


@dataclass(frozen=True, slots=True)
class Credited:
    paid_micros: int
    promotional_micros: int


def page(filters: OrganizationFilters, *, mode: str, cursor: str | None = None) -> lists.Page[Row]:
    """Newest first. Raises Invalid for a malformed cursor."""
    scope = ("platform organizations", mode, filters)
    query = (
        select(Organization, Wallet)
        .join(Wallet, and_(Wallet.org_id == Organization.id, *wallets.is_organizations(mode)))
        .where(Organization.kind != "platform", search.organizations_matching(filters.q))
        .where(*_narrowed(filters, mode))
    )
    pairs = db.session.execute(lists.older(query, Organization.id, cursor, *scope)).all()
    rows = lists.cut(pairs, lambda pair: pair[0].id, cursor, *scope)
    return rows.of(_rows([(org, wallet) for org, wallet in rows.rows], mode))


def payments_of(org_id: UUID, *, limit: int = 10) -> list[Payment]:
    """The newest payments in every mode."""
    return list(db.session.scalars(select(Payment).filter_by(org_id=org_id).order_by(Payment.id.desc()).limit(limit)))


def keys_of(org_id: UUID) -> list[ApiKey]:
    """The organization's keys, active ones first. Only digests of their secrets are stored."""
    order = (ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
    return list(db.session.scalars(select(ApiKey).filter_by(org_id=org_id).order_by(*order).limit(100)))


def manager_acts(org_id: UUID, *, limit: int = 20) -> list[AuditEntry]:
    """What platform managers did in or to the organization, newest first."""
    query = select(AuditEntry).filter_by(org_id=org_id, actor_kind="manager")
    return list(db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))


def last_grants(org_id: UUID, *, limit: int = 5) -> list[Transaction]:
    """The newest grants and removals, so that nobody grants the same thing twice."""
    query = select(Transaction).where(Transaction.org_id == org_id, Transaction.type.in_(ADJUSTMENTS))
    return list(db.session.scalars(query.order_by(Transaction.id.desc()).limit(limit)))


def credited(wallet: Wallet) -> Credited:
    """The total that was ever credited to the wallet, by kind; not what is left of it."""
    query = (
        select(CreditGrant.kind, func.sum(CreditGrant.amount))
        .where(CreditGrant.org_id == wallet.org_id, CreditGrant.wallet_id == wallet.id)
        .group_by(CreditGrant.kind)
    )
    sums = {kind: int(total) for kind, total in db.session.execute(query)}
    return Credited(sums.get("paid", 0), sums.get("promotional", 0))


def owner_of(org_id: UUID) -> User | None:
    return _owners([org_id]).get(org_id)


def _narrowed(filters: OrganizationFilters, mode: str) -> list[ColumnElement[bool]]:
    available = Wallet.balance - Wallet.held
    live = and_(ApiKey.org_id == Organization.id, ApiKey.revoked_at.is_(None), ApiKey.mode == mode)
    states: dict[str, ColumnElement[bool]] = {
        "overdrawn": Wallet.level == OVERDRAWN,
        "out": and_(Wallet.level.is_not(None), available <= -Wallet.overdraft_limit),
        "low": and_(Wallet.level.is_not(None), available > -Wallet.overdraft_limit),
        "no_keys": ~select(ApiKey.id).where(live).exists(),
        "suspended": Organization.suspended_at.is_not(None),
        "closed": Organization.closed_at.is_not(None),
    } | {name: _has_payment(state, mode) for name, state in PAYMENT_STATES.items()}
    conditions = [states[filters.state]] if filters.state else []
    return [*conditions, Organization.kind == filters.kind] if filters.kind else conditions


def _has_payment(state: str, mode: str) -> ColumnElement[bool]:
    own = Payment.org_id == Organization.id
    return select(Payment.id).where(own, Payment.state == state, Payment.mode == mode).exists()


def _rows(sequence: Sequence[tuple[Organization, Wallet]], mode: str) -> list[Row]:
    org_ids, wallets = [org.id for org, _ in sequence], [wallet for _, wallet in sequence]
    owners, keys = _owners(org_ids), _keys(org_ids, mode)
    spent, forecasts = _costs(wallets), forecast.of_many(wallets)
    return [
        Row(org, wallet, owners.get(org.id), spent.get(wallet.id, 0), forecasts[wallet.id], keys.get(org.id, 0))
        for org, wallet in sequence
    ]


def _owners(org_ids: Sequence[UUID]) -> dict[UUID, User]:
    """The longest-serving owner of each organization."""
    query = (
        select(Membership.org_id, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.org_id.in_(org_ids), Membership.role == "owner", Membership.removed_at.is_(None))
        .order_by(Membership.id.desc())
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def _costs(wallets: Sequence[Wallet]) -> dict[UUID, int]:
    """By wallet: the cost of the last 30 UTC days."""
    query = (
        select(WalletDay.wallet_id, -func.sum(WalletDay.amount))
        .where(WalletDay.org_id.in_([wallet.org_id for wallet in wallets]))
        .where(WalletDay.wallet_id.in_([wallet.id for wallet in wallets]))
        .where(WalletDay.day > clock.now().date() - timedelta(days=COST_DAYS), costs.IS_COST)
        .group_by(WalletDay.wallet_id)
    )
    return {wallet_id: int(cost) for wallet_id, cost in db.session.execute(query)}


def _keys(org_ids: Sequence[UUID], mode: str) -> dict[UUID, int]:
    query = (
        select(ApiKey.org_id, func.count())
        .where(ApiKey.org_id.in_(org_ids), ApiKey.revoked_at.is_(None), ApiKey.mode == mode)
        .group_by(ApiKey.org_id)
    )
    return {org_id: int(many) for org_id, many in db.session.execute(query)}
