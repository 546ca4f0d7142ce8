"""Invites: sent and ended by those who lead an organization, answered by those who got one."""

from flask import Flask

from dashboard.web.invites import answering as answering
from dashboard.web.invites import sending as sending
from dashboard.web.invites.blueprint import links, mine, pages


def init_app(app: Flask) -> None:
    for blueprint in (pages, links, mine):
        app.register_blueprint(blueprint)
