"""What each scope lets a program do, in the order of the forms. Scopes that no route uses yet are not offered."""

from collections.abc import Iterable

SCOPES = {
    "wallet:read": "See the balance, wallets and transactions",
    "wallet:charge": "Charge the balance",
    "holds:write": "Reserve credits, and charge or release what was reserved",
    "usage:write": "Report usage, which charges the balance",
    "usage:read": "See usage events and totals",
    "payments:read": "See payments",
    "catalog:read": "See the credit packs, metrics and prices",
    "catalog:write": "Change the organization's own credit packs",
    "checkout:create": "Open a payment page to buy credits",
    "members:write": "See and manage members and invites",
    "org:config": "See and change spend limits",
    "audit:read": "Read the audit log",
    "wallet:deposit": "Add credits without a payment (given by platform managers)",
    "usage:void": "Void usage events, which gives credits back (given by platform managers)",
    "prices:write": "Set metrics and prices of the platform (given by platform managers)",
    "platform:read": "Read every organization of the platform (given by platform managers)",
    "platform:grant": "Grant and remove credits of any organization (given by platform managers)",
    "org:admin": "Act with your role: members, ownership, keys, settings (counts as a recent sign-in)",
}

SERVICE = {"orgs:write": "Create organizations and set their external keys (only service keys)"}

SETS = {
    "charge": ("Charge from a server", ("wallet:charge", "holds:write", "usage:write", "wallet:read")),
    "read": ("Read only", ("wallet:read", "usage:read", "payments:read", "catalog:read", "audit:read")),
}
"""Ready sets of scopes for the usual programs, with their names."""

Option = tuple[str, str, str]


def options(allowed: Iterable[str]) -> list[Option]:
    """The checkboxes of a form: scope, what it lets a program do, and the scope again as a hint."""
    may = set(allowed)
    return [(scope, words, scope) for scope, words in (SCOPES | SERVICE).items() if scope in may]


def ready_sets(allowed: Iterable[str]) -> list[Option]:
    """The choices of a form before the single scopes: the ready sets that may be given, and none of them."""
    may = set(allowed)
    sets = [(key, name, ", ".join(s for s in its if s in may)) for key, (name, its) in SETS.items() if its[0] in may]
    return [*sets, ("own", "Choose permissions", "")] if sets else []


def chosen(ready_set: str, scopes: list[str], allowed: Iterable[str]) -> list[str]:
    """The scopes of a form: those of its ready set as far as they may be given, else those that were checked."""
    may = set(allowed)
    return [scope for scope in SETS[ready_set][1] if scope in may] if ready_set in SETS else scopes[: len(SCOPES)]
