"""What a platform manager can do to a user, each with a reason: end sessions, disable, give the manager role."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for

from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Conflict, Invalid, NotFound
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import follow_ups
from dashboard.domain.people import second_factor, users
from dashboard.domain.platform import erasure, user_administration
from dashboard.models import PLATFORM_ORG_ID, User
from dashboard.web import guards, render

pages = Blueprint("user_actions", __name__)


@dataclass(frozen=True, slots=True)
class UserAction:
    """`says` is what happens; `danger` colours the button; `typed`: the address must be typed as well."""

    title: str
    says: str
    done: str
    danger: bool = True
    typed: bool = False


ACTS = {
    "sessions": UserAction(
        "End sessions",
        "They are signed out everywhere, and may sign in again.",
        "is signed out everywhere",
    ),
    "factor": UserAction(
        "Switch second factor off",
        "For users who lost both phone and recovery codes: make sure that it is really them. "
        "They then sign in with only the password, and are notified by email.",
        "has no second factor now",
    ),
    "disable": UserAction(
        "Disable account",
        "They are signed out everywhere, and cannot sign in. Their tokens end for good, and so do their API keys with "
        "operator scopes or members:write. Their organizations stay.",
        "is disabled",
    ),
    "enable": UserAction(
        "Enable account",
        "They may sign in again. Tokens that ended stay ended.",
        "is enabled",
        danger=False,
    ),
    "promote": UserAction(
        "Make platform manager",
        "They see every organization, grant and remove credits, and manage people.",
        "is a platform manager",
    ),
    "demote": UserAction(
        "Take platform role",
        "They become a standard user, and must sign in again. API keys that they created as a manager are revoked.",
        "is a standard user",
    ),
    "erase": UserAction(
        "Erase person",
        "Name, address, sessions, tokens and memberships go, and their own organization closes with whatever is on its "
        "balance. Ledger and audit log keep an id that leads to nobody. This cannot be undone.",
        "is erased",
        typed=True,
    ),
}
ROUTE = f"/<uuid:user_id>/<any({', '.join(ACTS)}):act>"


@pages.get(ROUTE)
def ask(user_id: UUID, act: str) -> Response:
    guards.require_platform(Verb.MANAGE_PLATFORM)
    return _form(_find(user_id), act, errors={})


@pages.post(ROUTE)
def do(user_id: UUID, act: str) -> Response:
    caller = guards.require_platform(Verb.MANAGE_PLATFORM)
    user, reason = _find(user_id), request.form.get("reason", "")
    guards.require_recent()
    name = user.name
    try:
        _require_typed(user, ACTS[act])
        _do(user, act, reason=audit.checked_reason(reason), by=caller.actor)
    except (Invalid, Conflict) as refusal:
        return _form(user, act, errors={getattr(refusal, "field", None) or "": refusal.detail}, status=refusal.status)
    render.toast_next(f"{'The person' if ACTS[act].typed else name} {ACTS[act].done}.")
    return render.redirect(url_for("admin_users.show", user_id=user_id))


def offered(user: User, *, by: UUID) -> list[tuple[str, UserAction]]:
    """The actions that apply to this user now."""
    if user.erased_at is not None:
        return []
    own, off = user.id == by, user.disabled_at is not None
    wanted = {
        "sessions": not off,
        "factor": second_factor.on(user) and not own,
        "disable": not off and not own,
        "enable": off,
        "promote": not user.is_manager and not off and not own,
        "demote": user.is_manager and not own,
        "erase": not own,
    }
    return [(name, act) for name, act in ACTS.items() if wanted[name]]


def _do(user: User, act: str, *, reason: str, by: Actor) -> None:
    if act == "erase":
        erasure.erase(user, reason=reason, by=by)
    elif act == "factor":
        user_administration.require_other(user, by)
        home = users.personal_org_id(user.id)
        with transaction(home):
            second_factor.disable(user, by=by, home=home, reason=reason)
    else:
        _judged(VERBS[act], user, reason, by)
        follow_ups.work(user.id)


VERBS: dict[str, Callable[..., None]] = {
    "sessions": user_administration.end_sessions,
    "disable": user_administration.disable,
    "enable": user_administration.enable,
    "promote": user_administration.give_role,
    "demote": user_administration.take_role,
}


@retrying
def _judged(verb: Callable[..., None], user: User, reason: str, by: Actor) -> None:
    with transaction(PLATFORM_ORG_ID):
        verb(user, reason=reason, by=by)


def _require_typed(user: User, act: UserAction) -> None:
    if act.typed and request.form.get("email", "").strip().lower() != user.email.lower():
        raise Invalid("Enter the person's address.", field="email")


def _form(user: User, act: str, *, errors: dict[str, str], status: int = 200) -> Response:
    values: dict[str, Any] = {name: request.form.get(name, "") for name in ("reason", "email")}
    return render.render(
        "admin/users/confirm.html", status=status, user=user, act=act, words=ACTS[act],
        values=values, errors=errors, reason_limit=audit.REASON_LIMIT,
    )  # fmt: skip


def _find(user_id: UUID) -> User:
    user = users.by_id(user_id)
    if user is None or user.erased_at is not None:
        raise NotFound
    return user
