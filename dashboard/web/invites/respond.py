"""The page of an invite's link: who invites, where and as what; accept or decline, also for new users.

The link works only for its address, and a person who has it can read that mailbox. Viewing the page changes nothing.
"""

from typing import Any
from uuid import UUID

from flask import Response, g, request, url_for
from flask_login import current_user

from dashboard.core.db import retrying, transaction
from dashboard.core.errors import CofferError, Invalid, TooManyRequests, Unavailable
from dashboard.domain.access.permissions import ROLE_WORDS
from dashboard.domain.org_status import OrgSuspended
from dashboard.domain.organizations import invites, memberships, registration
from dashboard.domain.organizations.invites import DeadInvite, InviteView, NotInvited, UnknownInvite, WrongAddress
from dashboard.domain.organizations.memberships import AlreadyMember
from dashboard.domain.people import accounts, passwords, users
from dashboard.models import User
from dashboard.web import guards, render
from dashboard.web.invites.blueprint import links, mine
from dashboard.web.sessions import sign_in, sign_out

TITLES = {
    "invite_used": "This invite was used already",
    "invite_declined": "This invite was declined",
    "invite_withdrawn": "This invite was withdrawn",
    "invite_expired": "This invite has expired",
    "invite_stopped": "This invite no longer works",
    "org_closed": "This organization is closed",
    "org_suspended": "Nobody can join now",
    "not_found": "This invite link does not work",
    "wrong_address": "This invite is for another address",
    "already_member": "You belong to it already",
    "address_not_verified": "Your address is not confirmed yet",
}


@links.get("")
def show(invite: str) -> Response:
    return _page(_find(invite))


@links.post("/accept")
def accept(invite: str) -> Response:
    view = _find(invite)
    if not current_user.is_authenticated:
        return render.redirect(_login(invite))
    return _join(view, current_user, by_link=True)


@links.post("/decline")
def decline(invite: str) -> Response:
    view = _find(invite)
    _turn_down(view, by_link=True)
    return render.redirect(url_for("invitation.show", invite=invite))


@links.post("/signup")
def signup(invite: str) -> Response:
    view = _find(invite)
    if current_user.is_authenticated:
        return render.redirect(url_for("invitation.show", invite=invite))
    try:
        user = registration.sign_up(
            name=request.form.get("name", ""), email=view.invite.email, password=request.form.get("password", ""),
            timezone=request.form.get("timezone", ""), ip=request.remote_addr or "",
            mode=guards.platform_mode(), by_link=True,
        )  # fmt: skip
    except (Invalid, TooManyRequests, Unavailable) as refusal:
        return _again(view, refusal)
    sign_in(user)
    return _join(view, user, by_link=True)


@links.post("/switch")
def switch(invite: str) -> Response:
    sign_out()
    return render.redirect(_login(invite))


@mine.post("/accept")
def accept_mine(org_id: UUID, invite_id: UUID) -> Response:
    return _join(_find_mine(org_id, invite_id), current_user, by_link=False)


@mine.post("/decline")
def decline_mine(org_id: UUID, invite_id: UUID) -> Response:
    _turn_down(_find_mine(org_id, invite_id), by_link=False)
    return render.redirect(url_for("auth.start"))


def _find(token: str) -> InviteView:
    """The invite of the URL, if it still works."""
    result = invites.view(invites.find(token, ip=request.remote_addr or ""))
    return _opening(result)


def _find_mine(org_id: UUID, invite_id: UUID) -> InviteView:
    return _opening(invites.view(invites.of_person(org_id, invite_id, current_user)))


def _opening(view: InviteView) -> InviteView:
    g.invite = view
    invites.require_open(view)
    return view


@retrying
def _accept(view: InviteView, user: User, *, by_link: bool) -> None:
    with transaction(org=view.org.id):
        invites.accept(view.invite, by=user, by_link=by_link)


def _join(view: InviteView, user: User, *, by_link: bool) -> Response:
    _accept(view, user, by_link=by_link)
    if by_link:
        accounts.confirm_by_link(user, mode=guards.platform_mode())
    render.toast_next(f"You joined {view.org.name} as {view.invite.role}.")
    return render.redirect(url_for("costs.show", slug=view.org.slug))


def _turn_down(view: InviteView, *, by_link: bool) -> None:
    person = current_user if current_user.is_authenticated else None
    with transaction(org=view.org.id):
        invites.decline(view.invite, by=person, by_link=by_link)
    render.toast_next(f"You declined the invite to {view.org.name}.")


def _page(
    view: InviteView,
    *,
    values: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    email = view.invite.email
    signed_in = current_user.is_authenticated
    theirs = signed_in and current_user.email.lower() == email.lower()
    if theirs and memberships.role_of(current_user.id, view.org.id) is not None:
        raise AlreadyMember(f"You belong to {view.org.name} already. An owner or admin can change your role.")
    return render.render(
        "invites/show.html",
        status=status,
        found=view,
        may=ROLE_WORDS[view.invite.role],
        token=(request.view_args or {})["invite"],
        theirs=theirs,
        has_account=signed_in or users.by_email(email) is not None,
        login=_login((request.view_args or {})["invite"]),
        values=values or {},
        errors=errors or {},
        password_help=f"At least {passwords.SHORTEST} characters.",
    )


def _again(view: InviteView, refusal: Invalid | TooManyRequests | Unavailable) -> Response:
    """The form again, with everything that was typed except the password."""
    errors = {getattr(refusal, "field", None) or "password": refusal.detail}
    response = _page(view, values={"name": request.form.get("name", "")}, errors=errors, status=refusal.status)
    if not isinstance(refusal, Invalid):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _login(token: str) -> str:
    return url_for("auth.login", next=url_for("invitation.show", invite=token))


def _refuse(error: CofferError) -> Response:
    """The page for a problem with an invite says who can help and where to continue."""
    view: InviteView | None = g.get("invite")
    inside = bool(
        view and current_user.is_authenticated and memberships.role_of(current_user.id, view.org.id) is not None
    )
    token = (request.view_args or {}).get("invite", "")
    context: dict[str, Any] = {"home": url_for("costs.show", slug=view.org.slug) if view and inside else ""}
    return render.render(
        "invites/refused.html",
        status=error.status,
        title=TITLES.get(error.code, "This invite cannot be used"),
        text=error.detail,
        org=view.org.name if view else "",
        switch=url_for("invitation.switch", invite=token) if error.code == "wrong_address" and token else "",
        **context,
    )


for _kind in (DeadInvite, UnknownInvite, WrongAddress, NotInvited, AlreadyMember, OrgSuspended):
    links.register_error_handler(_kind, _refuse)
    mine.register_error_handler(_kind, _refuse)
