"""What the demo organizations use on an ordinary day."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """What one app costs on an ordinary day, in how many charges, and by which key."""

    app: str
    description: str
    micros: int
    charges: int
    key: str = "Production"


DEMO_USE = (
    Use("chat-api", "Output tokens", 1_620_000, 5),
    Use("search", "Input tokens", 740_000, 3),
    Use("search", "Embedding look-up", 2_400, 2),
    Use("render-worker", "GPU time", 580_000, 2),
    Use("backup", "Storage", 190_000, 1),
    Use("notebook", "Experiment", 240_000, 2, key="Notebook"),
    Use("reports", "Nightly report", 150_000, 1, key="Reports"),
)
SMALL_USE = (Use("website", "Page previews", 410_000, 2),)


@dataclass(frozen=True, slots=True)
class Single:
    """One charge on a day of the history, small or large."""

    day: int
    app: str
    description: str
    micros: int
    key: str = "Production"


SINGLES = (
    Single(47, "training", "Fine-tuning run", 18_750_000),
    Single(70, "notebook", "Batch of 40 experiments", 6_400_000, key="Notebook"),
    Single(89, "chat-api", "1,204 tokens", 18_100),
    Single(89, "search", "Cache look-up", 5),
)
