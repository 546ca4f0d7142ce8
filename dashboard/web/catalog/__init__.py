"""Credit packs for those who sell them: the platform's managers, and owners and admins of self-funded organizations.

One set of views stands at two addresses; the address says whose catalog it is.
"""

from typing import Any

from flask import Blueprint, Flask, g

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


def init_app(app: Flask) -> None:
    app.register_blueprint(pages, name="admin_catalog", url_prefix="/admin/catalog/packs")
    app.register_blueprint(pages, url_prefix="/o/<slug>/catalog/packs")


from dashboard.web.catalog import editing, looking  # noqa: E402, F401  their views register themselves above
