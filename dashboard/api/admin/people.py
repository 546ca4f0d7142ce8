"""All organizations and all users, for platform managers."""

from flask import Response
from sqlalchemy import select

from dashboard.api import auth, paging, shapes
from dashboard.api.routes import PLATFORM, answer, blueprint
from dashboard.domain.access.permissions import Verb
from dashboard.models import Organization, User

api = blueprint("platform people", prefix=PLATFORM)


@api.get("/orgs", responses={200: shapes.OrgList})
def orgs(query: paging.PageQuery) -> Response:
    """All organizations, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    page = query.page(select(Organization).where(Organization.kind != "platform"), Organization.id, "organizations")
    return answer(shapes.OrgList(data=[shapes.org(row) for row in page.rows], next_cursor=page.next_cursor))


@api.get("/users", responses={200: shapes.PersonList})
def users(query: paging.PageQuery) -> Response:
    """All users, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    page = query.page(select(User), User.id, "users")
    return answer(shapes.PersonList(data=[shapes.person(row) for row in page.rows], next_cursor=page.next_cursor))
