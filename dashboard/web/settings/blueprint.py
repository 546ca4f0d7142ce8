"""The blueprint of an organization's settings."""

from flask import Blueprint

from dashboard.web import guards

pages = Blueprint("settings", __name__, url_prefix="/o/<slug>/settings")
guards.signed_in_only(pages)
