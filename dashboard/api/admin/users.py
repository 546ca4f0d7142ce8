"""All users, for platform managers."""

from flask import Response
from sqlalchemy import select

from dashboard.api import auth, paging, shapes
from dashboard.api.routes import PLATFORM, answer, blueprint
from dashboard.domain.access.permissions import Verb
from dashboard.models import User

api = blueprint("platform_users", prefix=PLATFORM)


@api.get("/users", responses={200: shapes.UserList})
def list_(query: paging.PageQuery) -> Response:
    """All users, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    page = query.page(select(User), User.id, "users")
    return answer(shapes.UserList(data=[shapes.user(row) for row in page.rows], next_cursor=page.next_cursor))
