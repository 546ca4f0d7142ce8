"""Buying credits: the form, and the page that payers come back to. Neither writes money: the worker does."""

from flask import Blueprint

from dashboard.web import guards

pages = Blueprint("buy", __name__)
guards.signed_in_only(pages)

from dashboard.web.buy import choosing, returning  # noqa: E402, F401  their views register themselves above
