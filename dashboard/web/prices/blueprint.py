"""The blueprint of the metrics and prices, registered at two URLs, of which the second names an organization."""

from typing import Any

from flask import Blueprint, g

from dashboard.web import guards

pages = Blueprint("prices", __name__)
guards.signed_in_only(pages)


@pages.url_value_preprocessor
def _take_slug(endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.prices_slug = (values or {}).pop("slug", None)


@pages.url_defaults
def _give_slug(endpoint: str, values: dict[str, Any]) -> None:
    if g.get("prices_slug"):
        values.setdefault("slug", g.prices_slug)
