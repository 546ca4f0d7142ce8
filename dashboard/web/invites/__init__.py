"""Invites: sent and revoked by owners and admins, answered by those who received one."""

from flask import Flask

from dashboard.web.invites import respond as respond
from dashboard.web.invites import send as send
from dashboard.web.invites.blueprint import links, mine, pages


def init_app(app: Flask) -> None:
    for blueprint in (pages, links, mine):
        app.register_blueprint(blueprint)
