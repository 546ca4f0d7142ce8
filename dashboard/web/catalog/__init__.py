"""Credit packs for those who sell them: platform managers, and owners and admins of self-funded organizations.

The same views are registered at two URLs; the URL says whose catalog it is.
"""

from flask import Flask

from dashboard.web.catalog import edit as edit
from dashboard.web.catalog import listing as listing
from dashboard.web.catalog.blueprint import pages


def init_app(app: Flask) -> None:
    app.register_blueprint(pages, name="admin_catalog", url_prefix="/admin/catalog/packs")
    app.register_blueprint(pages, url_prefix="/o/<slug>/catalog/packs")
