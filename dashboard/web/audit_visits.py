"""Tells the pages that a platform manager opened in one visit as one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.domain.audit.trail import VISIT, EntryView
from dashboard.web.viewer import viewer

PAUSE = timedelta(minutes=30)
"""After a longer one it is another visit."""

MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Visited:
    """One line of the list: an entry, or all pages of a visit, newest first, at the place of the newest."""

    pages: tuple[EntryView, ...]

    @property
    def view(self) -> EntryView:
        return self.pages[0]

    @property
    def sentence(self) -> str:
        if len(self.pages) == 1:
            return self.view.sentence
        names = list(dict.fromkeys(page.object for page in reversed(self.pages)))
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        first, last = (_clock(self.pages[at].entry.created_at) for at in (-1, 0))
        when = f"{first} to {last}" if first != last else f"at {first}"
        named = ", ".join(names[:MOST_NAMED])
        return f"{self.view.actor} viewed the organization: {named}{more} ({len(self.pages)} pages, {when})"


def folded(views: Sequence[EntryView]) -> list[Visited]:
    """`views` are newest first. What somebody did in between does not end a visit."""
    lines: list[list[EntryView]] = []
    open_: dict[tuple[object, ...], list[EntryView]] = {}
    for view in views:
        entry = view.entry
        who = (entry.org_id, entry.actor_kind, view.actor_id)
        visit = open_.get(who) if entry.action == VISIT else None
        if visit and visit[-1].entry.created_at - entry.created_at <= PAUSE:
            visit.append(view)
            continue
        lines.append([view])
        if entry.action == VISIT:
            open_[who] = lines[-1]
    return [Visited(tuple(line)) for line in lines]


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(viewer().zone):%H:%M}"
