"""The HTML pages: one file and one blueprint per noun."""

from collections.abc import Callable

from flask import Flask

from dashboard.config import Settings
from dashboard.web import errors

__all__ = ["errors", "register"]


def register(app: Flask, settings: Settings, *, is_call: Callable[[str], bool]) -> None:
    """Register all pages. `is_call` says whether a path is for programs."""
    from dashboard.web import (
        account,
        audit,
        auth,
        buy,
        catalog,
        costs,
        credit_grants,
        dev_mail,
        dummy,
        headers,
        holds,
        invites,
        keys,
        limits,
        links,
        members,
        orgs,
        payments,
        prices,
        receipts,
        render,
        sessions,
        styleguide,
        transactions,
        usage,
        usage_voids,
    )
    from dashboard.web import settings as org_settings
    from dashboard.web.admin import audit as admin_audit
    from dashboard.web.admin import external_keys, mail, overview, service_keys, system, users, webhooks
    from dashboard.web.admin import orgs as admin_orgs
    from dashboard.web.admin import payments as admin_payments

    sessions.init_app(app, settings)
    headers.init_app(app, settings, is_call=is_call)
    render.init_app(app)
    of_money = (costs, credit_grants, transactions, usage, usage_voids, limits, holds, buy, payments, receipts)
    of_orgs = (orgs, *of_money, keys, members, org_settings, audit)
    of_customers = (overview, admin_orgs, external_keys, users, admin_payments)
    for page in (auth, links, *of_orgs, *of_customers, webhooks, mail, service_keys, admin_audit, system):
        app.register_blueprint(page.pages)
    for package in (account, catalog, prices, invites):
        package.init_app(app)
    if settings.payment.provider == "dummy":
        app.register_blueprint(dummy.pages)
    styleguide.init_app(app, settings)
    dev_mail.init_app(app, settings)
