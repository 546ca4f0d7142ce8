"""A person's own account: who they are on the pages, and what keeps others out of it."""

from flask import Blueprint, Flask

from dashboard.web import guards

profile_pages = Blueprint("account", __name__, url_prefix="/account")
security_pages = Blueprint("account_security", __name__, url_prefix="/account/security")
guards.account_pages(profile_pages)
guards.account_pages(security_pages)
token_pages = Blueprint("account_tokens", __name__, url_prefix="/account/tokens")
guards.account_pages(token_pages)

# Their views register themselves above.
from dashboard.web.account import profile, security, tokens, two_factor  # noqa: E402, F401


def init_app(app: Flask) -> None:
    for pages in (profile_pages, security_pages, token_pages):
        app.register_blueprint(pages)
