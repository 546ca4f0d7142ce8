"""`/admin/users`: users, with whom a support case starts. Credits go to a user's personal organization."""

from functools import partial
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from flask_login import current_user

from dashboard.core.errors import NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.people import sessions, users
from dashboard.domain.platform import people
from dashboard.domain.platform.people import PersonFilters
from dashboard.models import User
from dashboard.web import guards, render
from dashboard.web import listing as lists
from dashboard.web.admin import user_actions

pages = Blueprint("admin_users", __name__, url_prefix="/admin/users")
guards.signed_in_only(pages)
pages.register_blueprint(user_actions.pages)

ROLES = (
    ("", "Everyone"),
    ("platform_manager", "Platform managers"),
    ("standard", "Standard users"),
    ("disabled", "Disabled"),
)
FIELDS = {"q": "", "role": ""}
MOVED = 307
"""Redirect that keeps the method and body."""


@pages.get("")
def listing() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    result = lists.read(
        lambda typed, cursor: people.page(PersonFilters.parse(typed), mode=guards.platform_mode(), cursor=cursor),
        FIELDS, here=partial(url_for, ".listing"),
    )  # fmt: skip
    return render.render(
        "admin/users/listing.html", fragment="admin/users/_list.html", status=result.status, listing=result, roles=ROLES
    )


@pages.get("/<uuid:user_id>")
def show(user_id: UUID) -> Response:
    caller = guards.require_platform(Verb.PLATFORM_READ)
    user = _find(user_id)
    own = users.personal_organization(user.id)
    if own is not None:
        guards.record_visit(own, by=caller.actor)
    return render.render(
        "admin/users/show.html", user=user, own=own, sessions=sessions.living(user.id),
        acts=user_actions.offered(user, by=current_user.id),
        entries=people.entries_of([user.id], mode=guards.platform_mode(), most=people.ON_PAGE)[user.id],
    )  # fmt: skip


@pages.route("/<uuid:user_id>/<any(grant, remove):act>", methods=["GET", "POST"])
def credits(user_id: UUID, act: str) -> Response:
    """Redirect to the same form of the user's personal organization."""
    guards.require_platform(Verb.PLATFORM_GRANT)
    own = users.personal_organization(_find(user_id).id)
    if own is None:
        raise NotFound("This person has no organization of their own.")
    target = url_for(f"admin_orgs.grants.{act}", org_id=own.id)
    if request.method == "POST":
        return Response(status=MOVED, headers={"Location": target})
    return render.redirect(target)


def _find(user_id: UUID) -> User:
    user = users.by_id(user_id)
    if user is None:
        raise NotFound
    return user
