"""The JSON API."""

from flask import Flask

from dashboard.api import errors

PREFIXES = ("/api/", "/admin/api/", "/healthz", "/readyz", "/metrics")

__all__ = ["errors", "register", "serves"]


def serves(path: str) -> bool:
    """Whether a path belongs to the API, so that its errors are problem documents."""
    return path.startswith(PREFIXES)


def register(app: Flask) -> None:
    """Register all API routes. They use no session or form token, only bearer tokens and signatures."""
    from dashboard.api import (
        audit,
        checkout,
        docs,
        grants,
        health,
        holds,
        identity_provider,
        inputs,
        invites,
        keys,
        limits,
        me,
        members,
        metrics,
        org_paths,
        orgs,
        payments,
        products,
        transactions,
        usage,
        wallets,
        webhooks,
    )
    from dashboard.api.admin import metrics as admin_metrics
    from dashboard.api.admin import orgs as admin_orgs
    from dashboard.api.admin import products as admin_products
    from dashboard.api.admin import transactions as admin_transactions
    from dashboard.api.admin import users as admin_users

    identity = (me, orgs, members, invites, keys, identity_provider, audit)
    money = (wallets, limits, transactions, grants, usage, holds)
    customers = [
        *(each.api for each in (*identity, *money, payments, checkout, products)),
        invites.public,
        usage.metric_api,
        limits.spendable_api,
    ]
    staff = [each.api for each in (admin_transactions, admin_orgs, admin_users, admin_products, admin_metrics)]
    app.request_class = inputs.StrictRequest
    org_paths.init_app(app)
    # Attributes that flask-openapi's routes expect on the application; its own application class would add its own
    # pages.
    vars(app).update(validation_error_callback=errors.refuse_fields, validate_response=False)
    for blueprint in (*customers, *staff, webhooks.api, health.api, metrics.api, docs.api):
        app.register_blueprint(blueprint)
        app.extensions["csrf"].exempt(blueprint)
    docs.describe(app, customers, staff)
