"""The blueprint of the credit packs, registered at two URLs, of which the second names an organization."""

from typing import Any

from flask import Blueprint, g

from dashboard.web import guards

pages = Blueprint("catalog", __name__)
guards.signed_in_only(pages)


@pages.url_value_preprocessor
def _take_slug(endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.catalog_slug = (values or {}).pop("slug", None)


@pages.url_defaults
def _give_slug(endpoint: str, values: dict[str, Any]) -> None:
    if g.get("catalog_slug"):
        values.setdefault("slug", g.catalog_slug)
