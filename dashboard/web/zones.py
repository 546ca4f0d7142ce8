"""The switch of the log pages between the reader's time zone and UTC. It is part of the URL, so that a link shows the
same times."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import request

from dashboard.web.viewer import UTC, look_in, viewer

Choice = tuple[str, str, bool]
"""A zone's name, the URL that shows it, and whether it is shown now."""


def switch(here: Callable[..., str], fields: Iterable[str]) -> list[Choice]:
    """Show this response in the zone that its URL asks for. `here` builds the page's URL, `fields` are the filters that
    it keeps; empty if the reader's zone is UTC."""
    own = viewer().zone
    if own == UTC:
        return []
    utc = request.args.get("zone") == "utc"
    if utc:
        look_in(UTC)
    kept: dict[str, Any] = {name: text for name in (*fields, "range") if (text := request.args.get(name))}
    return [(own.key, here(**kept), not utc), ("UTC", here(**kept, zone="utc"), utc)]
