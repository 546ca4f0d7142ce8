"""The organization in a path: its id, `self` for the organization of an organization's key, or `ext:` and the
operator's own id for it, URL-encoded."""

from typing import Annotated

from flask import Flask
from pydantic import BaseModel, Field
from werkzeug.routing import BaseConverter

SELF = "self"
_UUID = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"

BY_ID = rf"{_UUID}|ext:[A-Za-z0-9][A-Za-z0-9._:@|+=-]*"
"""Pattern of an id, or of `ext:` and the operator's own."""


class OrgConverter(BaseConverter):
    """`<org:name>` in a rule. The value stays text: only the caller's rights say which organization it is."""

    regex = f"{SELF}|{BY_ID}"


def init_app(app: Flask) -> None:
    app.url_map.converters["org"] = OrgConverter


OrgName = Annotated[
    str,
    Field(
        description="The organization's id; `self` for the organization of an organization's key; or "
        "`ext:<external key>`, URL-encoded: the operator's own id for it.",
        examples=["01890000-0000-7000-8000-000000000000", "self", "ext:crm-4821"],
    ),
]


class OrgPath(BaseModel):
    org_id: OrgName
