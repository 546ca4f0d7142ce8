"""All users, for platform managers."""

from flask import Response
from pydantic import Field
from sqlalchemy import select

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.routes import PLATFORM, answer, blueprint
from dashboard.core.errors import NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.people import users
from dashboard.models import User

api = blueprint("platform_users", prefix=PLATFORM)


class UserQuery(paging.PageQuery):
    email: str | None = Field(default=None, description="The user with this address.")


@api.get("/users", responses={200: shapes.UserList})
def list_(query: UserQuery) -> Response:
    """All users, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    wanted = select(User)
    if query.email is not None:
        found = users.by_email(query.email)
        wanted = wanted.where(User.id == (found.id if found else None))
    page = query.page(wanted, User.id, "users", query.email)
    return answer(shapes.UserList(data=[shapes.user(row) for row in page.rows], next_cursor=page.next_cursor))


@api.get("/users/<uuid:id>", responses={200: shapes.User})
def retrieve(path: inputs.ItemPath) -> Response:
    """One user"""
    auth.platform(Verb.PLATFORM_READ)
    row = users.by_id(path.id)
    if row is None:
        raise NotFound("There is no such user.")
    return answer(shapes.user(row))
