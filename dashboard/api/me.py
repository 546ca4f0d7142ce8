"""Who a token belongs to: for programs that hold one, and the only call that end users can make."""

from flask import Response

from dashboard.api import auth, shapes
from dashboard.api.routes import answer, blueprint
from dashboard.domain import org_status
from dashboard.domain.access.end_users import SignedIn
from dashboard.domain.org_status import OrgAction
from dashboard.models import ApiKey

api = blueprint("me")


@api.get("/me", responses={200: shapes.Me})
def retrieve() -> Response:
    """Whose token this is; end users of an organization may ask too"""
    row = auth.caller()
    if isinstance(row, SignedIn):
        return answer(
            shapes.Me(
                kind="end_user", id=row.row.id, mode=shapes.mode(row.row.mode), scopes=[], org_id=row.org.id,
                subject=row.row.subject, expires_at=row.expires_at,
            )
        )  # fmt: skip
    if isinstance(row, ApiKey) and row.service:
        return answer(
            shapes.Me(
                kind="service_key", id=row.id, mode=shapes.mode(row.mode), scopes=row.scopes, name=row.name,
                expires_at=row.expires_at,
            )
        )  # fmt: skip
    if isinstance(row, ApiKey):
        org_status.require_state(OrgAction.READ, row.organization)
        return answer(
            shapes.Me(
                kind="key", id=row.id, mode=shapes.mode(row.mode), scopes=row.scopes, name=row.name,
                org_id=row.org_id, expires_at=row.expires_at,
            )
        )  # fmt: skip
    return answer(
        shapes.Me(
            kind="user", id=row.user_id, mode=auth.platform_mode(), scopes=row.scopes, name=row.user.name,
            email=row.user.email, expires_at=row.expires_at,
        )
    )  # fmt: skip
