"""Metrics and prices: of the platform for its managers, and of an organization, which may change them if it funds
itself.

The same views are registered at two URLs; the URL says whose prices they are.
"""

from flask import Flask

from dashboard.web.prices import edit as edit
from dashboard.web.prices import listing as listing
from dashboard.web.prices.blueprint import pages


def init_app(app: Flask) -> None:
    app.register_blueprint(pages, name="admin_prices", url_prefix="/admin/catalog/metrics")
    app.register_blueprint(pages, url_prefix="/o/<slug>/prices")
