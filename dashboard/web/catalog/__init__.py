"""Credit packs for those who sell them: the platform's managers, and owners and admins of self-funded organizations.

One set of views stands at two addresses; the address says whose catalog it is.
"""

from flask import Flask

from dashboard.web.catalog import editing as editing
from dashboard.web.catalog import looking as looking
from dashboard.web.catalog.blueprint import pages


def init_app(app: Flask) -> None:
    app.register_blueprint(pages, name="admin_catalog", url_prefix="/admin/catalog/packs")
    app.register_blueprint(pages, url_prefix="/o/<slug>/catalog/packs")
