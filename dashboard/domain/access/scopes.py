"""What each scope lets a program do, in the order of the forms. Scopes that no route uses yet are not offered."""

from collections.abc import Iterable

SCOPES = {
    "wallet:read": "See the balance, wallets and transactions",
    "wallet:charge": "Charge the balance",
    "usage:write": "Report usage, which charges the balance",
    "usage:read": "See usage events and totals",
    "payments:read": "See payments",
    "catalog:read": "See the credit packs",
    "catalog:write": "Change the organization's own credit packs",
    "checkout:create": "Open a payment page to buy credits",
    "members:write": "See and manage members and invites",
    "audit:read": "Read the audit log",
    "wallet:deposit": "Add credits without a payment (given by platform managers)",
    "prices:write": "Set metrics and prices of the platform (given by platform managers)",
    "platform:read": "Read every organization of the platform (given by platform managers)",
    "platform:grant": "Grant and remove credits of any organization (given by platform managers)",
    "org:admin": "Act with your role: members, ownership, keys, settings (counts as a recent sign-in)",
}

SERVICE = {"orgs:write": "Create organizations and set their external keys (only service keys)"}

Option = tuple[str, str, str]


def options(allowed: Iterable[str]) -> list[Option]:
    """The checkboxes of a form, each with its name and text."""
    may = set(allowed)
    return [(scope, scope, words) for scope, words in (SCOPES | SERVICE).items() if scope in may]
