"""What all rows of an organization share: the organization id comes first in the primary key and in every foreign
key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.core import clock, ids
from dashboard.core.db import Base

__all__ = ["PLATFORM_ORG_ID", "Base", "OrgOwned", "org_key", "org_root"]

PLATFORM_ORG_ID = UUID("00000000-0000-7000-8000-000000000001")
"""The reserved organization that owns the platform's catalog and inbox. The first migration creates it."""


class OrgOwned:
    """A row of one organization. A session refuses to write it in another organization's transaction."""

    __tenant__ = True

    org_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-3)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.new, sort_order=-2)
    created_at: Mapped[datetime] = mapped_column(default=clock.now, sort_order=-1)


def org_root() -> ForeignKeyConstraint:
    """For a table that refers directly to the organization; others reach it through their parent."""
    return ForeignKeyConstraint(["org_id"], ["organizations.id"], ondelete="RESTRICT")


def org_key(column: str, target: str) -> ForeignKeyConstraint:
    """A foreign key within the organization: the database rejects one that crosses organizations."""
    return ForeignKeyConstraint(["org_id", column], [f"{target}.org_id", f"{target}.id"], ondelete="RESTRICT")
