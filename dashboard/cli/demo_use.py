"""What the demo organizations use on an ordinary day."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """How many units of a metric one app uses on an ordinary day, in how many events, and by which key."""

    app: str
    metric: str
    units: int
    events: int
    key: str = "Production"


DEMO_USE = (
    Use("chat-api", "tokens", 9_000_000, 5),
    Use("search", "tokens", 3_600_000, 3),
    Use("alerts", "push", 600, 2),
    Use("alerts", "push", 1, 1),
    Use("render-worker", "media_mb", 720, 2),
    Use("newsletter", "email", 30, 1),
    Use("notebook", "tokens", 1_400_000, 2, key="Notebook"),
    Use("reports", "email", 28, 1, key="Reports"),
)
SMALL_USE = (Use("website", "media_mb", 560, 2),)


@dataclass(frozen=True, slots=True)
class Single:
    """One event on a day of the history, small or large."""

    day: int
    app: str
    metric: str
    units: int
    key: str = "Production"


SINGLES = (
    Single(47, "training", "tokens", 125_000_000),
    Single(70, "notebook", "tokens", 42_700_000, key="Notebook"),
    Single(89, "chat-api", "tokens", 120_667),
    Single(89, "search", "tokens", 33),
)
