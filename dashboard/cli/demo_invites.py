"""The demo's invites, one in each state that a user can meet."""

from contextlib import suppress
from datetime import timedelta

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.core.errors import Conflict
from dashboard.domain.access.permissions import ROLES
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import invites
from dashboard.models import Organization, User

DEMO = (
    ("lena.fischer@demo.test", "viewer", 12),
    ("amir@demo.test", "admin", 5),
    ("sofia.marin@demo.test", "member", 1),
)
"""Recipient, role and how many days ago. The first has expired."""

DECLINED = "amir@demo.test"


BIRCH = (("viewer@demo.test", "member", 0),)
"""Sent to a member of the demo, whose list of organizations shows it."""


def make(org: Organization, by: User, sent: tuple[tuple[str, str, int], ...]) -> None:
    actor = Actor("user", by.id)
    for email, role, days in sent:
        with clock.at(clock.now() - timedelta(days=days)), suppress(Conflict), transaction(org=org.id):
            row = invites.invite(org, email, role=role, by=actor, may_give=ROLES, inviter=by.id)
            if email == DECLINED:
                invites.decline(row, by=None, by_link=True)
