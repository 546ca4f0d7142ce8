"""Invites: sent and ended by those who lead an organization, answered by those who got one."""

from flask import Blueprint, Flask

from dashboard.web import guards

pages = Blueprint("invites", __name__, url_prefix="/o/<slug>/invites")
guards.signed_in_only(pages)
links = Blueprint("invitation", __name__, url_prefix="/invite/<invite>")
mine = Blueprint("my_invites", __name__, url_prefix="/invites/<uuid:org_id>/<uuid:invite_id>")
guards.signed_in_only(mine)

from dashboard.web.invites import answering, sending  # noqa: E402, F401  their views register themselves above


def init_app(app: Flask) -> None:
    for blueprint in (pages, links, mine):
        app.register_blueprint(blueprint)
