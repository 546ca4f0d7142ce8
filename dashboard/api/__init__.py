"""The JSON API."""

from flask import Flask
from flask_openapi.blueprint import APIBlueprint

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
        org_metrics,
        org_paths,
        orgs,
        payments,
        prices,
        products,
        transactions,
        usage,
        wallets,
        webhooks,
    )

    identity = (me, orgs, members, invites, keys, identity_provider, audit)
    money = (wallets, limits, transactions, grants, usage, org_metrics, prices, holds)
    customers = [
        *(each.api for each in (*identity, *money, payments, checkout, products)),
        invites.public,
        limits.spendable_api,
    ]
    staff = _staff()
    app.request_class = inputs.StrictRequest
    org_paths.init_app(app)
    # Attributes that flask-openapi's routes expect on the application; its own application class would add its own
    # pages.
    vars(app).update(validation_error_callback=errors.refuse_fields, validate_response=False)
    for blueprint in (*customers, *staff, webhooks.api, health.api, metrics.api, docs.api):
        app.register_blueprint(blueprint)
        app.extensions["csrf"].exempt(blueprint)
    docs.describe(app, customers, staff)


def _staff() -> list[APIBlueprint]:
    """The calls of the platform's own people."""
    from dashboard.api.admin import metrics, orgs, products, transactions, users

    return [each.api for each in (transactions, orgs, users, products, metrics)]
