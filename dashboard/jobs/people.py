"""Does what remains to be done after an action on a user."""

from uuid import UUID

from dashboard.domain.organizations import follow_ups


def follow_up(user_id: str) -> None:
    follow_ups.work(UUID(user_id))
