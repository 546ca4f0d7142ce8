"""All organizations and all users, for platform managers."""

from typing import Any

from flask import Response
from sqlalchemy import select

from dashboard.api import auth, paging, shapes
from dashboard.api.routes import PLATFORM, answer, blueprint
from dashboard.core.db import db
from dashboard.domain.identity.permissions import Verb
from dashboard.models import Organization, User

api = blueprint("platform people", prefix=PLATFORM)


@api.get("/orgs", responses={200: shapes.OrgList})
def orgs(query: paging.PageQuery) -> Response:
    """All organizations, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    rows, cursor = _page(Organization, query, Organization.kind != "platform")
    return answer(shapes.OrgList(data=[shapes.org(row) for row in rows], next_cursor=cursor))


@api.get("/users", responses={200: shapes.PersonList})
def users(query: paging.PageQuery) -> Response:
    """All users, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    rows, cursor = _page(User, query)
    return answer(shapes.PersonList(data=[shapes.person(row) for row in rows], next_cursor=cursor))


def _page(kind: Any, query: paging.PageQuery, *conditions: Any) -> tuple[list[Any], str | None]:
    scope = (kind.__tablename__,)
    wanted = select(kind).where(*conditions).order_by(kind.id.desc())
    if after := query.after(*scope):
        wanted = wanted.where(kind.id < after)
    found = db.session.scalars(wanted.limit(query.size + 1)).all()
    return paging.cut(found, query.size, lambda row: row.id, *scope)
