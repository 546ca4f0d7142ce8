"""Who looks at the page, as far as looks go: name, zone, theme. Rights are the guards' business."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import g, has_request_context
from flask_login import current_user

UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Viewer:
    """`theme` is empty for the system's choice. `signed_in` decides between the shell and the plain layout, `keyboard`
    whether single keys do something. `unverified`: nobody has shown yet that mails to `email` arrive."""

    name: str = ""
    email: str = ""
    zone: ZoneInfo = UTC
    theme: str = ""
    signed_in: bool = False
    keyboard: bool = False
    unverified: bool = False
    second_factor: bool = False


STRANGER = Viewer()


def viewer() -> Viewer:
    """The person of this request; outside a request, and for pages that must not touch the database, a stranger."""
    if not has_request_context():
        return STRANGER
    if "viewer" not in g:
        g.viewer = _read()
    return g.viewer  # type: ignore[no-any-return]


def look_in(zone: ZoneInfo) -> None:
    """Show this answer's times in another zone than the person's own."""
    g.viewer = replace(viewer(), zone=zone)


def look_as_stranger() -> None:
    """For pages shown while the database is away."""
    g.viewer = STRANGER


def zone_named(name: str | None) -> ZoneInfo:
    """UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _read() -> Viewer:
    if not current_user.is_authenticated:
        return STRANGER
    theme = current_user.theme if current_user.theme in ("light", "dark") else ""
    return Viewer(
        current_user.name,
        current_user.email,
        zone_named(current_user.timezone),
        theme,
        signed_in=True,
        keyboard=current_user.keyboard,
        unverified=current_user.email_verified_at is None,
        second_factor=current_user.totp_enabled_at is not None,
    )
