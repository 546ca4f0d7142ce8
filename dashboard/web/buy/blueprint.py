"""The blueprint for buying credits."""

from flask import Blueprint

from dashboard.web import guards

pages = Blueprint("buy", __name__)
guards.signed_in_only(pages)
