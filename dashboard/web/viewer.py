"""The viewer's display settings: name, time zone, theme. Guards handle permissions."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import g, has_request_context
from flask_login import current_user

UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Viewer:
    """`theme` is empty for the system's setting. `signed_in` chooses between the shell and the plain layout; `keyboard`
    enables single-key shortcuts. `unverified`: the address `email` has not been verified yet."""

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
    """The user of this request; an anonymous viewer outside a request, and for pages that must not use the database."""
    if not has_request_context():
        return STRANGER
    if "viewer" not in g:
        g.viewer = _read()
    return g.viewer  # type: ignore[no-any-return]


def look_in(zone: ZoneInfo) -> None:
    """Show this response's times in a different zone from the user's own."""
    g.viewer = replace(viewer(), zone=zone)


def look_as_stranger() -> None:
    """For pages shown while the database is unavailable."""
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
