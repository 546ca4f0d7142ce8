"""A user's own account: profile, sign-in security and tokens."""

from flask import Flask

from dashboard.web.account import profile as profile
from dashboard.web.account import security as security
from dashboard.web.account import tokens as tokens
from dashboard.web.account import two_factor as two_factor
from dashboard.web.account.blueprints import profile_pages, security_pages, token_pages


def init_app(app: Flask) -> None:
    for pages in (profile_pages, security_pages, token_pages):
        app.register_blueprint(pages)
