"""The demo's invites, one of each state in which somebody meets them."""

from contextlib import suppress
from datetime import timedelta

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.errors import Conflict
from dashboard.domain.audit import Actor
from dashboard.domain.identity import invites
from dashboard.domain.identity.permissions import ROLES
from dashboard.models import Organization, User

DEMO = (
    ("lena.fischer@demo.test", "viewer", 12),
    ("amir@demo.test", "admin", 5),
    ("sofia.marin@demo.test", "member", 1),
)
"""To whom, as what, how many days ago: the first has run out."""

DECLINED = "amir@demo.test"


BIRCH = (("viewer@demo.test", "member", 0),)
"""Somebody who belongs to the demo already: their list of organizations tells them."""


def make(org: Organization, by: User, sent: tuple[tuple[str, str, int], ...]) -> None:
    actor = Actor("user", by.id)
    for email, role, days in sent:
        with clock.at(clock.now() - timedelta(days=days)), suppress(Conflict), transaction(org=org.id):
            row = invites.invite(org, email, role=role, by=actor, may_give=ROLES, inviter=by.id)
            if email == DECLINED:
                invites.decline(row, by=None, proven=True)
