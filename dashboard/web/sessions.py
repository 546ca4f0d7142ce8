"""The browser's session is a row: Flask-Login and Flask-WTF use Flask's session unchanged, and this module stores it.

Nothing is read until it is needed, so that files, webhooks and API calls cost no query. A row is created only when
something is stored. A request that only reads writes nothing, except the user's activity once a minute. A form for a
user who is not signed in needs no row: its token is in the cookie.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

from flask import Flask, Request, Response, current_app, request, session
from flask.sessions import SessionInterface, SessionMixin
from flask_login import LoginManager, login_user, logout_user
from flask_wtf import CSRFProtect

from dashboard.config import Settings
from dashboard.core import crypto, ids
from dashboard.core.db import AWAY, transaction
from dashboard.domain.people import sessions, users
from dashboard.models import PLATFORM_ORG_ID, User, UserSession
from dashboard.web import device_cookie, form_cookie, render

USER = "_user_id"
CSRF = "csrf_token"
FLASHES = "_flashes"
LOGIN_PATH = "/login"
LONGEST_PATH = 500
SIGNED_OUT = '"cache", "storage"'
"""Not "cookies": that would end the sessions of other sites on the same domain."""

# Flask-Login's keys: we use no remember cookie, and freshness is a column.
_NOT_KEPT = frozenset({"_remember", "_remember_seconds", "_id", "_fresh"})

F = TypeVar("F", bound=Callable[..., Any])

csrf = CSRFProtect()
login_manager = LoginManager()


class BrowserSession(SessionMixin):
    """The object that Flask calls the session: a mapping over the row's columns and its JSON state."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.modified = False
        self.renew = False
        self.row: UserSession | None = None
        self._values: dict[str, Any] | None = None

    @property
    def loaded(self) -> bool:
        return self._values is not None

    @property
    def values_(self) -> dict[str, Any]:
        if self._values is None:
            # If the database is unavailable, the error page must not ask it again.
            self._values = {}
            if self.token and form_cookie.holds(self.token):
                csrf_token = form_cookie.read(self.token)
                self._values = {CSRF: csrf_token} if csrf_token else {}
            elif self.token:
                self.row = sessions.find(self.token)
                self._values = _values_of(self.row) if self.row else {}
        return self._values

    def __getitem__(self, key: str) -> Any:
        return self.values_[key]

    def __contains__(self, key: object) -> bool:
        # Flask-Login asks for these after every request, even without a session.
        return key not in _NOT_KEPT and key in self.values_

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in _NOT_KEPT:  # an equal value may still be a change: Flask changes its list of messages in place
            self.values_[key] = value
            self.modified = True

    def __delitem__(self, key: str) -> None:
        del self.values_[key]
        self.modified = True

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)

    @property
    def user_id(self) -> UUID | None:
        return ids.parse(str(self.values_.get(USER, "")))


class RowSessions(SessionInterface):
    """Opens and saves sessions. In production, the cookie is `__Host-`: no other host can set or read it."""

    def __init__(self, settings: Settings) -> None:
        self.secure = settings.production
        self.cookie = "__Host-coffer" if settings.production else "coffer"

    def open_session(self, app: Flask, request: Request) -> BrowserSession:
        return BrowserSession(request.cookies.get(self.cookie))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        assert isinstance(session, BrowserSession)
        if not session.loaded:
            return
        response.vary.add("Cookie")
        try:
            self._save(session, response)
        except AWAY as error:
            # The response depends on what could not be stored: a form's token, or who signed in.
            _become(response, app.make_response(app.handle_user_exception(error)))

    def _save(self, session: BrowserSession, response: Response) -> None:
        row = session.row
        if session.renew or (session.modified and (row.user_id if row else None) != session.user_id):
            self._replace(session, response)
        elif session.modified and row is None and len(session):
            if session.values_.keys() == {CSRF}:
                self._give(response, form_cookie.seal(session.values_[CSRF]))
            else:
                self._start(session, response)
        elif row and session.modified and _values_of(row) != session.values_:
            with transaction():
                sessions.store(row, **_columns(session))
        elif row and sessions.stale(row) and not is_poll():
            with transaction():
                sessions.seen(row)

    def _replace(self, session: BrowserSession, response: Response) -> None:
        """A user signed in or out: create a new token, and carry over only messages and the user."""
        kept = {key: session.values_[key] for key in (USER, FLASHES) if session.values_.get(key)}
        ended = session.row
        if ended:
            with transaction(PLATFORM_ORG_ID if ended.user_id else None):
                sessions.end(ended)
        session.values_.clear()
        session.values_.update(kept)
        if ended and ended.user_id:
            response.headers["Clear-Site-Data"] = SIGNED_OUT
        if kept:
            self._start(session, response)
        else:
            response.delete_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="Lax")

    def _start(self, session: BrowserSession, response: Response) -> None:
        if session.user_id:  # if the first page created it instead, two tabs opened at once would each create one
            session.values_.setdefault(CSRF, crypto.token())
        with transaction():
            started = sessions.start(
                user_id=session.user_id,
                ip=request.remote_addr,
                user_agent=request.user_agent.string,
                **_columns(session),
            )
        session.row = started.row
        if session.user_id:
            device_cookie.remember(response, session.user_id)
        self._give(response, started.token)

    def _give(self, response: Response, cookie: str) -> None:
        response.set_cookie(
            self.cookie,
            cookie,
            max_age=sessions.ABSOLUTE,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )


def init_app(app: Flask, settings: Settings) -> None:
    app.session_interface = RowSessions(settings)
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # a form lives as long as its session
    csrf.init_app(app)
    login_manager.session_protection = None  # a changing IP address may be a phone on a train
    login_manager.init_app(app)
    login_manager.user_loader(_load_user)
    login_manager.unauthorized_handler(_unauthorized)


def sign_in(user: User) -> None:
    """Give this browser a new session of `user`. The row is created when the response is sent."""
    session.clear()
    _current().renew = True
    login_user(user)


def sign_out() -> None:
    """End this browser's session, at once and everywhere."""
    logout_user()
    session.clear()


def current_row() -> UserSession | None:
    """The row of this browser's session."""
    browser_session = _current()
    return browser_session.row if browser_session.values_ else None


def current_id() -> UUID:
    """The id of this browser's session. Needs one."""
    row = current_row()
    assert row is not None
    return row.id


def poll(view: F) -> F:
    """Mark a view that a page polls: it does not keep the session alive."""
    view.is_poll = True  # type: ignore[attr-defined]
    return view


def safe_next(target: str | None) -> str | None:
    """`target` if it is a path on this site, else None: never another host, however it is written."""
    if not target or len(target) > LONGEST_PATH or not target.startswith("/"):
        return None
    if target.startswith(("//", "/\\")) or "\\" in target or not target.isprintable():
        return None
    return target


def login_url() -> str:
    """The sign-in page, which leads back to the current page. A form's response cannot be repeated, so it leads to the
    form's page."""
    here = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else None
    target = safe_next(here)
    return f"{LOGIN_PATH}?next={quote(target, safe='/')}" if target and target != "/" else LOGIN_PATH


def _become(response: Response, other: Response) -> None:
    """Make `response`, which is already being sent, equal to `other`."""
    response.status_code = other.status_code
    response.set_data(other.get_data())
    for name in ("Location", "HX-Redirect", "Set-Cookie"):
        response.headers.pop(name, None)
    for name in ("Content-Type", "Retry-After"):
        if name in other.headers:
            response.headers[name] = other.headers[name]


def _load_user(user_id: str) -> User | None:
    row = _current().row
    user = row.user if row else None
    if user is None or str(user.id) != user_id:
        parsed = ids.parse(user_id)
        user = users.by_id(parsed) if parsed else None
    return user if user is not None and user.is_active else None


def _unauthorized() -> Response:
    if render.is_htmx():
        return Response(status=401, headers={"HX-Redirect": login_url()})
    return Response(status=303, headers={"Location": login_url()})


def _current() -> BrowserSession:
    browser_session: BrowserSession = session._get_current_object()  # type: ignore[attr-defined]
    return browser_session


def is_poll() -> bool:
    """Whether the page polls, so that nobody may be looking."""
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(view, "is_poll", False))


def _values_of(row: UserSession) -> dict[str, Any]:
    values = deepcopy(dict(row.state))  # so that a value changed in place differs from the row
    if row.user_id:
        values[USER] = str(row.user_id)
    if row.csrf_token:
        values[CSRF] = row.csrf_token
    return values


def _columns(session: BrowserSession) -> dict[str, Any]:
    state = {key: value for key, value in session.values_.items() if key not in (USER, CSRF)}
    return {"csrf_token": session.values_.get(CSRF), "state": state}
