"""Users: who they are, whether they may sign in, and whether they are platform managers."""

import re
from datetime import timedelta
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.core.errors import Invalid, check_each
from dashboard.domain.audit import Actor
from dashboard.models import PLATFORM_ORG_ID, Membership, Organization, User

LONGEST_EMAIL = 254
LONGEST_NAME = 100
STANDARD = "standard"
MANAGER = "platform_manager"
_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)
THEMES = ("system", "light", "dark")


class EmailTaken(Invalid):
    code = "email_taken"


def by_email(email: str) -> User | None:
    """Case does not matter."""
    if len(email) > LONGEST_EMAIL or "\x00" in email:  # PostgreSQL refuses text with a NUL
        return None
    return db.session.scalar(select(User).where(func.lower(User.email) == email.strip().lower()))


def by_id(user_id: UUID) -> User | None:
    return db.session.get(User, user_id)


def add(
    *, email: str, name: str, password_hash: str, verified: bool, manager: bool = False, timezone: str = ""
) -> User:
    """Create a user. An unknown time zone becomes UTC. Needs a transaction. Raises EmailTaken, Invalid."""
    user = User(
        email=checked_email(email),
        name=checked_name(name),
        password_hash=password_hash,
        platform_role=MANAGER if manager else STANDARD,
        timezone=timezone if timezone in clock.time_zones() else "UTC",
        email_verified_at=clock.now() if verified else None,
    )
    if by_email(user.email) is not None:
        raise _taken()
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:  # a simultaneous request was first; only the address must be unique
        raise _taken() from None
    return user


def checked_email(email: str) -> str:
    """The address in lower case. Raises Invalid. No DNS lookup: an email verifies an address."""
    try:
        # `test_environment` accepts the reserved domain `.test` of demos and makes no DNS lookup.
        result = validate_email(email[: LONGEST_EMAIL + 1].strip(), test_environment=True)
    except EmailNotValidError:
        raise Invalid("Enter an email address such as ada@example.com.", field="email") from None
    return result.normalized.lower()


def checked_name(name: str) -> str:
    """The name of a user or an organization as it is stored. Raises Invalid. Emails to strangers contain names, which
    must not contain links; `core.mail` handles those that only look like one, such as Example.com."""
    name = " ".join(name[: LONGEST_NAME + 1].split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"Enter a name of 1 to {LONGEST_NAME} characters.", field="name")
    if _LINK.search(name):
        raise Invalid("A name cannot hold a link.", field="name")
    return name


def change_email(user: User, email: str) -> None:
    """Change the address to one that the user has verified. Needs a transaction. Raises EmailTaken."""
    user.email, user.email_verified_at = email, clock.now()
    try:
        db.session.flush()
    except IntegrityError:
        raise _taken() from None


def change_profile(user: User, *, name: str, timezone: str, theme: str, keyboard: bool) -> None:
    """Change the user's own settings. Needs a transaction. Raises Invalid with the field."""
    if theme not in THEMES:
        raise Invalid(f"Choose one of: {', '.join(THEMES)}.", field="theme")
    check_each(lambda: checked_name(name), lambda: _zone(timezone))
    user.name, user.timezone, user.theme, user.keyboard = checked_name(name), _zone(timezone), theme, keyboard


def _zone(text: str) -> str:
    zone = clock.time_zone(text)
    if zone is None:
        raise Invalid("Enter a time zone such as Europe/Stockholm.", field="timezone")
    return zone


def opened(user: User, org_id: UUID) -> None:
    """Remember the organization last opened, to which the next sign-in leads. Needs a transaction."""
    user.last_org_id = org_id


def seen(user_id: UUID, *, at_most_every: timedelta) -> None:
    """Record that the user is active. Needs a transaction."""
    now = clock.now()
    stale = User.last_seen_at.is_(None) | (User.last_seen_at < now - at_most_every)
    db.session.execute(update(User).where(User.id == user_id, stale).values(last_seen_at=now))


def _taken() -> EmailTaken:
    return EmailTaken("There is an account with this address already. Sign in instead.", field="email")


def personal_organization(user_id: UUID) -> Organization | None:
    """The user's personal organization; None for platform managers, who have none."""
    return db.session.scalar(
        select(Organization)
        .join(Membership, Membership.org_id == Organization.id)
        .where(Organization.kind == "personal", Membership.user_id == user_id, Membership.removed_at.is_(None))
    )


def personal_org_id(user_id: UUID) -> UUID:
    """The organization that stores what concerns only a user, such as account emails: their personal one, or the
    platform's if they have none."""
    row = db.session.scalar(
        select(Organization.id)
        .join(Membership, Membership.org_id == Organization.id)
        .where(Organization.kind == "personal", Membership.user_id == user_id)
        .order_by(Organization.id)
        .limit(1)
    )
    return row or PLATFORM_ORG_ID


def actor_of(user: User, role: str | None = None) -> Actor:
    """A manager outside their own organizations acts as `manager`, everyone else as `user`."""
    return Actor("manager" if user.is_manager and role is None else "user", user.id)
