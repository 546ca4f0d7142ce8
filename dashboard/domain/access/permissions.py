"""Permissions: one table, read by guards, pages and the API.

Strangers get 404, as if the object did not exist; the wrong role or scope gets 403.
"""

from dataclasses import dataclass
from enum import StrEnum

from dashboard.core.errors import Forbidden, NotFound, WrongRole
from dashboard.domain.audit import Actor
from dashboard.domain.funds import origins
from dashboard.domain.org_status import OrgAction as OrgAction
from dashboard.domain.org_status import OrgSuspended as OrgSuspended
from dashboard.domain.org_status import require_state as require_state
from dashboard.domain.people.users import actor_of
from dashboard.models import ApiKey, PersonalToken, User

ROLES = ("owner", "admin", "member", "viewer")
ROLE_WORDS = {
    "owner": "Everything, including settings, ownership and deletion.",
    "admin": "Buy credits, invite and remove people, manage API keys, see all costs and payments.",
    "member": "Use credits with their own API keys; see the balance and their own costs.",
    "viewer": "View costs, transactions and payments. Can't change or spend anything.",
}
"""What each role may do, in words for users."""

_OWNER = frozenset({"owner"})
LEADS = frozenset({"owner", "admin"})
_READERS = frozenset({"owner", "admin", "viewer"})
_SPENDERS = frozenset({"owner", "admin", "member"})
_ALL = frozenset(ROLES)
_NOBODY: frozenset[str] = frozenset()


class Verb(StrEnum):
    READ_BALANCE = "read_balance"
    READ_OWN_ROWS = "read_own_rows"
    READ_LEDGER = "read_ledger"
    READ_PAYMENTS = "read_payments"
    READ_CATALOG = "read_catalog"
    READ_MEMBERS = "read_members"
    READ_INVITES = "read_invites"
    READ_AUDIT = "read_audit"
    BUY = "buy"
    CHARGE = "charge"
    READ_OWN_USAGE = "read_own_usage"
    READ_USAGE = "read_usage"
    RECORD_USAGE = "record_usage"
    HOLD = "hold"
    RELEASE_HOLDS = "release_holds"
    READ_PRICES = "read_prices"
    VOID_USAGE = "void_usage"
    VOID_OWN_USAGE = "void_own_usage"
    MANAGE_PRICES = "manage_prices"
    MANAGE_OWN_PRICES = "manage_own_prices"
    DEPOSIT = "deposit"
    GRANT = "grant"
    MANAGE_CATALOG = "manage_catalog"
    MANAGE_OWN_CATALOG = "manage_own_catalog"
    READ_OWN_CATALOG = "read_own_catalog"
    MANAGE_MEMBERS = "manage_members"
    LEAVE = "leave"
    MANAGE_ORG = "manage_org"
    READ_BILLING = "read_billing"
    READ_EXTERNAL_KEY = "read_external_key"
    MANAGE_IDENTITY_PROVIDER = "manage_identity_provider"
    MANAGE_KEYS = "manage_keys"
    MANAGE_OWN_KEYS = "manage_own_keys"
    CAP_KEYS = "cap_keys"
    READ_LIMITS = "read_limits"
    MANAGE_LIMITS = "manage_limits"
    PROVISION = "provision"
    PLATFORM_READ = "platform_read"
    PLATFORM_GRANT = "platform_grant"
    MANAGE_PLATFORM = "manage_platform"


@dataclass(frozen=True, slots=True)
class Rule:
    """Allowed for `roles` on a page, `token_roles` with a personal token, `scope` with a key or token, `operator` for
    managers."""

    roles: frozenset[str] = _NOBODY
    scope: str | None = None
    operator: bool = False
    token_roles: frozenset[str] | None = None


TABLE: dict[Verb, Rule] = {
    Verb.READ_BALANCE: Rule(_ALL, "wallet:read", operator=True),
    Verb.READ_OWN_ROWS: Rule(_ALL, "wallet:read", operator=True),
    Verb.READ_LEDGER: Rule(_READERS, "wallet:read", operator=True),
    Verb.READ_PAYMENTS: Rule(_READERS, "payments:read", operator=True),
    Verb.READ_CATALOG: Rule(_ALL, "catalog:read", operator=True),
    Verb.READ_MEMBERS: Rule(_ALL, "members:write", operator=True),
    Verb.READ_INVITES: Rule(_READERS, "members:write", operator=True),
    Verb.READ_AUDIT: Rule(_READERS, "audit:read", operator=True),
    Verb.BUY: Rule(LEADS, "checkout:create"),
    Verb.CHARGE: Rule(_NOBODY, "wallet:charge", token_roles=_SPENDERS),
    Verb.READ_OWN_USAGE: Rule(_ALL, "usage:read", operator=True),
    Verb.READ_USAGE: Rule(_READERS, "usage:read", operator=True),
    Verb.RECORD_USAGE: Rule(_NOBODY, "usage:write", token_roles=_SPENDERS),
    Verb.HOLD: Rule(_NOBODY, "holds:write", token_roles=_SPENDERS),
    Verb.RELEASE_HOLDS: Rule(LEADS),  # on a page; a program needs HOLD
    Verb.READ_PRICES: Rule(_READERS, "catalog:read", operator=True),
    Verb.VOID_USAGE: Rule(_NOBODY, "usage:void", operator=True),
    Verb.VOID_OWN_USAGE: Rule(LEADS, "usage:void", operator=True),  # of a self-funded organization
    Verb.MANAGE_PRICES: Rule(_NOBODY, "prices:write", operator=True),
    Verb.MANAGE_OWN_PRICES: Rule(LEADS, "prices:write"),  # of a self-funded organization
    Verb.DEPOSIT: Rule(_NOBODY, "wallet:deposit", operator=True),
    Verb.GRANT: Rule(_NOBODY, "platform:grant", operator=True),
    Verb.MANAGE_CATALOG: Rule(_NOBODY, "platform:grant", operator=True),
    Verb.MANAGE_OWN_CATALOG: Rule(LEADS, "catalog:write"),  # of a self-funded organization
    Verb.READ_OWN_CATALOG: Rule(_READERS, operator=True),
    Verb.MANAGE_MEMBERS: Rule(LEADS, "members:write"),  # invites, and roles up to admin
    Verb.LEAVE: Rule(_ALL, "org:admin"),
    Verb.MANAGE_ORG: Rule(_OWNER, "org:admin"),  # owners, ownership, settings, deletion
    Verb.READ_BILLING: Rule(LEADS, "org:admin"),  # billing details: address, tax id
    Verb.READ_EXTERNAL_KEY: Rule(_READERS, "org:admin"),  # operators read it with PLATFORM_READ
    Verb.MANAGE_IDENTITY_PROVIDER: Rule(_OWNER, "org:admin"),
    Verb.MANAGE_KEYS: Rule(LEADS, "org:admin", operator=True),
    Verb.MANAGE_OWN_KEYS: Rule(_ALL, "org:admin", operator=True),
    Verb.CAP_KEYS: Rule(LEADS, "org:admin"),
    Verb.READ_LIMITS: Rule(_ALL, "org:config", operator=True),  # members: those that apply to them
    Verb.MANAGE_LIMITS: Rule(LEADS, "org:config"),
    Verb.PROVISION: Rule(_NOBODY, "orgs:write"),  # service keys only: create organizations, set external keys
    Verb.PLATFORM_READ: Rule(_NOBODY, "platform:read", operator=True),
    Verb.PLATFORM_GRANT: Rule(_NOBODY, "platform:grant", operator=True),
    Verb.MANAGE_PLATFORM: Rule(_NOBODY, "platform:grant", operator=True),  # suspend, close, external keys, users
}

PLATFORM_VERBS = frozenset(
    {Verb.PLATFORM_READ, Verb.PLATFORM_GRANT, Verb.MANAGE_PLATFORM, Verb.MANAGE_CATALOG, Verb.MANAGE_PRICES}
)
"""Operations of the platform itself. Nobody is a stranger to the platform."""

OPERATOR_SCOPES = frozenset(
    {"wallet:deposit", "usage:void", "prices:write", "rules:platform", "platform:read", "platform:grant"}
)
"""They create value or lower what is owed. Only a manager or a command gives them, never an organization."""

_READING = frozenset({"wallet:read", "usage:read", "payments:read", "catalog:read"})
_SPENDING = frozenset({"wallet:charge", "holds:write", "usage:write"})
_LEADING = frozenset({"checkout:create", "catalog:write", "rules:write", "members:write", "audit:read", "org:config"})

RIGHTS_SCOPES = frozenset({"members:write"})
"""They admit others. A key loses them when its creator loses the right."""

PERSONAL_SCOPES = frozenset({"org:admin"})
ENDING_SCOPES = OPERATOR_SCOPES | RIGHTS_SCOPES | PERSONAL_SCOPES
"""A key with one of these ends together with the right behind it. Other keys continue, because production programs
depend on them."""

SCOPES = _READING | _SPENDING | _LEADING | OPERATOR_SCOPES | PERSONAL_SCOPES
"""All scopes of organizations' keys and personal tokens."""

SERVICE_SCOPES = _READING | _SPENDING | {"checkout:create", "wallet:deposit", "usage:void", "orgs:write"}
"""The scopes of service keys. `orgs:write` is only for them: it creates organizations and sets external keys."""

_GIVEN_BY_ROLE: dict[str, frozenset[str]] = {
    "owner": _READING | _SPENDING | _LEADING,
    "admin": _READING | _SPENDING | _LEADING,
    # A member sees only their own rows, which a key of the organization cannot tell apart.
    "member": _SPENDING | {"catalog:read"},
    "viewer": _READING | {"audit:read"},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes the request, with which rights in the current organization.

    `role` is None for strangers, keys and operators; `scopes` is None for a user on a page; `operator` is a platform
    manager; `key` is a key of the organization or a service key, of which only the scopes count; `service` is a key
    that the platform created.
    """

    actor: Actor
    role: str | None = None
    scopes: frozenset[str] | None = None
    operator: bool = False
    key: bool = False
    service: bool = False

    @property
    def stranger(self) -> bool:
        """Whether the organization does not exist for the caller."""
        return self.role is None and not self.operator and not self.key


def of_person(user: User, role: str | None) -> Caller:
    """A user on a page; `role` is their role in the current organization."""
    return Caller(actor_of(user, role), role, operator=user.is_manager)


def of_token(token: PersonalToken, user: User, role: str | None) -> Caller:
    """A personal token: its user's current rights, limited by its scopes."""
    return Caller(actor_of(user, role), role, frozenset(token.scopes), operator=user.is_manager)


def of_key(key: ApiKey) -> Caller:
    """An organization's key in its own organization, or a service key in a platform-funded one. Keys of the platform
    belong to no user there."""
    scopes = frozenset(key.scopes) & (SERVICE_SCOPES if key.service else SCOPES)
    actor = Actor("key", key.id, None if key.platforms else key.created_by)
    return Caller(actor, scopes=scopes, key=True, service=key.platforms)


def origin_of(verb: Verb, caller: Caller) -> str:
    """The space of the caller's idempotency keys (`funds.origins`).

    What needs an operator scope is never in the customers' space, whichever key is used.
    """
    if verb in (Verb.CHARGE, Verb.HOLD):
        return origins.SERVICE if caller.service else origins.API
    return origins.SERVICE if caller.key else origins.OPERATOR


def allowed(verb: Verb, caller: Caller) -> bool:
    """Whether the table allows `caller` to do `verb`. The organization's status is checked separately."""
    rule = TABLE[verb]
    if caller.scopes is not None and rule.scope not in caller.scopes:
        return False
    if caller.key:
        return True
    roles = rule.token_roles if caller.scopes is not None and rule.token_roles is not None else rule.roles
    return caller.role in roles or (caller.operator and rule.operator)


def sees_external_key(caller: Caller) -> bool:
    """Whether `caller` may see the operator's own id for the organization."""
    return allowed(Verb.READ_EXTERNAL_KEY, caller) or keeps_external_keys(caller)


def keeps_external_keys(caller: Caller) -> bool:
    """Whether external keys are the caller's own ids: an operator's, or those of the platform's backend."""
    return allowed(Verb.PLATFORM_READ, caller) or allowed(Verb.PROVISION, caller)


def may_spend(role: str | None) -> bool:
    """Whether a member with the role may cause costs."""
    return role in _SPENDERS


def roles_for(verb: Verb) -> frozenset[str]:
    """The roles that may do it on a page."""
    return TABLE[verb].roles


def require(verb: Verb, caller: Caller) -> None:
    """Raise NotFound for a stranger to the organization, Forbidden for the wrong role or scope."""
    if not allowed(verb, caller):
        if caller.stranger and verb not in PLATFORM_VERBS:
            raise NotFound
        raise _refusal(verb, caller)


def grantable(caller: Caller) -> frozenset[str]:
    """The scopes that `caller` may give to a key of the organization: never more than their own. A manager from outside
    can neither spend nor administrate there, and neither can a key of theirs."""
    own = _GIVEN_BY_ROLE.get(caller.role or "", _NOBODY)
    if caller.operator:
        own |= OPERATOR_SCOPES | _GIVEN_BY_ROLE["viewer"]
    return own if caller.scopes is None else own & caller.scopes


def given_by(role: str) -> frozenset[str]:
    """The scopes that the role itself may give to a key."""
    return _GIVEN_BY_ROLE[role]


def assignable(caller: Caller) -> tuple[str, ...]:
    """The roles that `caller` may give in the organization, none above their own; only an owner creates owners."""
    if allowed(Verb.MANAGE_ORG, caller):
        return ROLES
    return ROLES[1:] if allowed(Verb.MANAGE_MEMBERS, caller) else ()


def personal_scopes(user: User) -> frozenset[str]:
    """The scopes that a user may give to their own token; what it can do depends on the user's roles."""
    return SCOPES if user.is_manager else SCOPES - (OPERATOR_SCOPES - {"prices:write"})


def _refusal(verb: Verb, caller: Caller) -> Forbidden:
    rule = TABLE[verb]
    if caller.scopes is not None and rule.scope and rule.scope not in caller.scopes:
        return Forbidden(f"This key lacks the scope {rule.scope}.")
    if verb in (Verb.CHARGE, Verb.HOLD):
        what = "Charging" if verb is Verb.CHARGE else "A hold"
        words = "takes a key of the organization, a service key, or a token of its owner, admin or member."
        return Forbidden(f"{what} {words}")
    may = tuple(role for role in ROLES if role in rule.roles)
    if not may:
        return Forbidden("Only platform managers and keys can do this.")
    return WrongRole(f"Only {_plural(may)} can {'see' if verb.startswith('read') else 'do'} this.", may)


def _plural(roles: tuple[str, ...]) -> str:
    *others, last = [f"{role}s" for role in roles]
    return f"{', '.join(others)} and {last}" if others else last
