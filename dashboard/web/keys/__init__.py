"""Keys of an organization's programs: made with a form, shown once, changed and ended with a step between."""

from flask import Blueprint

from dashboard.web import guards

pages = Blueprint("keys", __name__, url_prefix="/o/<slug>/keys")
guards.signed_in_only(pages)

from dashboard.web.keys import changing, looking, making  # noqa: E402, F401  their views register themselves above
