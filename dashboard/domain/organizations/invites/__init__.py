"""Invites: sent to one address, sent again, revoked, accepted or declined, each at most once.

A link's token is `<organization>_<secret>`: the organization part finds the tenant without a global lookup, and only
the secret's digest is stored. The organization's row is locked before an invite changes.
"""

from dashboard.domain.organizations.invites.listing import (
    LISTED,
    InviteView,
    inviter_behind,
    listed,
    open_to,
    page,
    view,
)
from dashboard.domain.organizations.invites.respond import (
    DeadInvite,
    NotInvited,
    UnknownInvite,
    WrongAddress,
    accept,
    decline,
    find,
    of_person,
    require_open,
    with_id,
)
from dashboard.domain.organizations.invites.send import (
    LIFETIME,
    MOST_AT_ONCE,
    MOST_OPEN,
    AlreadyInvited,
    Outcome,
    addresses_in,
    invite,
    invite_each,
    resend,
    revoke,
)

__all__ = [
    "LIFETIME",
    "LISTED",
    "MOST_AT_ONCE",
    "MOST_OPEN",
    "AlreadyInvited",
    "DeadInvite",
    "InviteView",
    "NotInvited",
    "Outcome",
    "UnknownInvite",
    "WrongAddress",
    "accept",
    "addresses_in",
    "decline",
    "find",
    "invite",
    "invite_each",
    "inviter_behind",
    "listed",
    "of_person",
    "open_to",
    "page",
    "require_open",
    "resend",
    "revoke",
    "view",
    "with_id",
]
