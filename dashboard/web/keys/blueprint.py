"""The blueprint of the API keys."""

from flask import Blueprint

from dashboard.web import guards

pages = Blueprint("keys", __name__, url_prefix="/o/<slug>/keys")
guards.signed_in_only(pages)
