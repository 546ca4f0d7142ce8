"""Deletes expired rows that are not evidence: old sessions, counters, links and answers. Re-encrypts stored keys."""

from dashboard.core.db import transaction
from dashboard.domain import rate_limits
from dashboard.domain.access import first_answers
from dashboard.domain.people import devices, email_tokens, sessions, sign_up_credits


def purge(_: str) -> None:
    with transaction():
        sessions.purge()
        rate_limits.purge()
        email_tokens.purge()
        devices.purge()
        first_answers.purge()
    with transaction():
        sign_up_credits.renew()
