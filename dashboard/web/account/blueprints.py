"""The blueprints of the account pages."""

from flask import Blueprint

from dashboard.web import guards

profile_pages = Blueprint("account", __name__, url_prefix="/account")
security_pages = Blueprint("account_security", __name__, url_prefix="/account/security")
token_pages = Blueprint("account_tokens", __name__, url_prefix="/account/tokens")
for pages in (profile_pages, security_pages, token_pages):
    guards.account_pages(pages)
