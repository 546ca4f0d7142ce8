"""Changing the email address: both addresses must agree. Each gets a link, and the address changes after both were
opened.

Either address can cancel the change. Audit entries cannot be erased, so they contain neither address. These flows open
their own transactions. Call them outside a transaction.
"""

from sqlalchemy import select

from dashboard.core import ids
from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Invalid
from dashboard.domain import audit, rate_limits
from dashboard.domain.audit import Actor
from dashboard.domain.people import account_emails, email_tokens, users
from dashboard.models import EmailToken, User

BOTH = (email_tokens.CHANGE_FROM, email_tokens.CHANGE_TO)


def ask(user: User, email: str) -> None:
    """Send both links. Those of an earlier change stop working. Raises Invalid with the field, TooManyRequests.

    If the new address already has an account, only the email to it says so, and the change never takes place.
    """
    address = users.checked_email(email)
    if address == user.email.lower():
        raise Invalid("This is your current address.", field="email")
    rate_limits.require((rate_limits.EMAIL_CHANGE, (str(user.id),)))
    owner = users.by_email(address)
    home, change = users.personal_org_id(user.id), ids.new()
    with transaction(home):
        from_old = email_tokens.issue(user, email_tokens.CHANGE_FROM, to=user.email, change_id=change)
        from_new = email_tokens.issue(user, email_tokens.CHANGE_TO, to=address, change_id=change)
        account_emails.send(user, "email_change_from", home=home, token=from_old, new=address)
        if owner is None:
            account_emails.send(user, "email_change_to", home=home, to=address, token=from_new, old=user.email)
        elif rate_limits.exceeded(rate_limits.LINK_ADDRESS, "taken", address) is None:
            account_emails.send(owner, "address_taken", home=home)
        audit.record(user, "user.email_change_asked", by=Actor("user", user.id), org=home)


def pending(user: User) -> EmailToken | None:
    """The pending change: its link to the new address, opened or not."""
    living = select(EmailToken.change_id).where(
        EmailToken.user_id == user.id, EmailToken.purpose.in_(BOTH), email_tokens.living()
    )
    query = select(EmailToken).where(EmailToken.change_id.in_(living), EmailToken.purpose == email_tokens.CHANGE_TO)
    return db.session.scalar(query.order_by(EmailToken.id.desc()).limit(1))


def agree(link: EmailToken) -> bool:
    """Record that one address agrees. Returns True if the other one already had, so that the address is changed and the
    old one notified.

    Raises DeadLink, and EmailTaken if someone took the address in the meantime.
    """
    home = users.personal_org_id(link.user_id)
    with transaction(home):
        user: User | None = lock(select(User).filter_by(id=link.user_id))
        if user is None or not user.is_active:
            raise email_tokens.DeadLink
        email_tokens.take(link)
        other = _other(link)
        if other.used_at is None:
            return False
        old, new = user.email, next(one.email for one in (link, other) if one.purpose == email_tokens.CHANGE_TO)
        users.change_email(user, new)
        email_tokens.end(user.id)
        audit.record(user, "user.email_changed", by=Actor("user", user.id), org=home)
        account_emails.send(user, "email_changed", home=home, to=old, new=new)
    return True


def call_off(user: User) -> None:
    """Cancel the change, on request of the user or of either address."""
    home = users.personal_org_id(user.id)
    with transaction(home):
        email_tokens.end(user.id, *BOTH)
        audit.record(user, "user.email_change_called_off", by=Actor("user", user.id), org=home)


def _other(link: EmailToken) -> EmailToken:
    """A valid link of a change whose other link was used: that address agreed, because both links end together."""
    query = select(EmailToken).where(EmailToken.change_id == link.change_id, EmailToken.id != link.id)
    return db.session.scalars(query, execution_options={"populate_existing": True}).one()
