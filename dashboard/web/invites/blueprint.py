"""The blueprints of invites: for senders, for links, and for recipients."""

from flask import Blueprint

from dashboard.web import guards

pages = Blueprint("invites", __name__, url_prefix="/o/<slug>/invites")
guards.signed_in_only(pages)
links = Blueprint("invitation", __name__, url_prefix="/invite/<invite>")
mine = Blueprint("my_invites", __name__, url_prefix="/invites/<uuid:org_id>/<uuid:invite_id>")
guards.signed_in_only(mine)
