"""What the navigation shows: plain values, so that layouts contain no query and no rule."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """`count` is a short text such as `1 failed`; `current` marks the current page."""

    label: str
    href: str
    current: bool = False
    count: str = ""


@dataclass(frozen=True)
class Group:
    title: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Place:
    """An organization in the switcher. `role` is its label: `Owner`, or `Platform manager, read only`."""

    name: str
    href: str
    role: str

    @property
    def initials(self) -> str:
        words = [word for word in self.name.split() if word[:1].isalnum()]
        return "".join(word[0] for word in words[:2]).upper() or "?"


@dataclass(frozen=True)
class Shell:
    """One navigation. Contains only links that this user can open.

    `place` is the current organization, None on platform pages. `balance_micros` is None if it may not be seen;
    `balance_state` is empty, `warn` or `bad`, and `balance_words` says the same as text. `notice_platform` marks a
    platform manager who views an organization from outside, which `leave` (words, URL) ends; `suspended` an
    organization that the operator suspended.
    """

    groups: tuple[Group, ...]
    home: str
    place: Place | None = None
    others: tuple[Place, ...] = ()
    balance_micros: int | None = None
    balance_state: str = ""
    balance_words: str = ""
    platform_href: str = ""
    notice_platform: bool = False
    leave: tuple[str, str] = ("Back to organizations", "/admin/orgs")
    suspended: bool = False
    test_mode: bool = False
