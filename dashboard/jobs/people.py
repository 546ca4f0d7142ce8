"""Works off what has to follow after an act on a person."""

from uuid import UUID

from dashboard.domain.identity import follow_ups


def follow_up(user_id: str) -> None:
    follow_ups.work(UUID(user_id))
