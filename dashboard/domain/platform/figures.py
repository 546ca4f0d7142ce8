"""The totals over all wallets that the platform's overview shows. A scheduled task counts them once a minute, because
counting reads every wallet; the page shows the time of the count."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.funds import wallets
from dashboard.domain.platform import overview
from dashboard.domain.platform.overview import Liability, MoneyToday
from dashboard.models import PlatformFigures

EVERY = timedelta(minutes=1)
LATE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Figures:
    """`today` is the UTC day of `counted_at`."""

    counted_at: datetime
    today: MoneyToday
    owed: Liability

    @property
    def late(self) -> bool:
        """Whether they are so old that the scheduled task must be at fault."""
        return clock.now() - self.counted_at > LATE


def current(mode: str) -> Figures:
    """The figures as last counted. Counts them now if they were never counted."""
    row = db.session.get(PlatformFigures, mode, populate_existing=True)
    if row is None:
        return _counted(mode)
    return Figures(row.counted_at, MoneyToday(**row.figures["today"]), Liability(**row.figures["owed"]))


def due() -> list[str]:
    """The modes whose figures are at least a minute old."""
    fresh = set(
        db.session.scalars(select(PlatformFigures.mode).where(PlatformFigures.counted_at > clock.now() - EVERY))
    )
    return [mode for mode in wallets.MODES if mode not in fresh]


def count(mode: str) -> None:
    """Count and store them. Needs a transaction."""
    result = _counted(mode)
    figures = {"today": asdict(result.today), "owed": asdict(result.owed)}
    kept = insert(PlatformFigures).values(mode=mode, counted_at=result.counted_at, figures=figures)
    changes = {"counted_at": kept.excluded.counted_at, "figures": kept.excluded.figures}
    db.session.execute(kept.on_conflict_do_update(index_elements=["mode"], set_=changes))


def _counted(mode: str) -> Figures:
    return Figures(clock.now(), overview.money_today(mode), overview.liability(mode))
