"""What the demo organizations use on an ordinary day."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """What one app costs on an ordinary day, and in how many charges."""

    app: str
    description: str
    micros: int
    charges: int


DEMO_USE = (
    Use("chat-api", "Output tokens", 1_620_000, 5),
    Use("search", "Input tokens", 740_000, 3),
    Use("search", "Embedding look-up", 2_400, 2),
    Use("render-worker", "GPU time", 580_000, 2),
    Use("backup", "Storage", 190_000, 1),
)
SMALL_USE = (Use("website", "Page previews", 410_000, 2),)
