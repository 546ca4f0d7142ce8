"""The JSON API."""

from flask import Flask

from dashboard.api import errors

PREFIXES = ("/api/", "/admin/api/", "/healthz", "/readyz", "/metrics")

__all__ = ["errors", "register", "serves"]


def serves(path: str) -> bool:
    """Whether a path belongs to the API, so that its errors are problem documents."""
    return path.startswith(PREFIXES)


def register(app: Flask) -> None:
    """Register all API routes. None of them uses a session or a form token: only a bearer token or a signature
    counts."""
    from dashboard.api import (
        audit,
        checkout,
        docs,
        health,
        identity_provider,
        inputs,
        invites,
        keys,
        me,
        members,
        metrics,
        org_paths,
        orgs,
        products,
        transactions,
        wallets,
        webhooks,
    )
    from dashboard.api.admin import orgs as admin_orgs
    from dashboard.api.admin import people
    from dashboard.api.admin import products as catalog
    from dashboard.api.admin import transactions as adjustments

    identity = (me, orgs, members, invites, keys, identity_provider, audit)
    customers = (*identity, wallets, transactions, checkout, products)
    nouns = [*(each.api for each in (*customers, adjustments, catalog, people, admin_orgs)), invites.public]
    app.request_class = inputs.StrictRequest
    org_paths.init_app(app)
    # Attributes that flask-openapi's routes expect on the application; its own application class would add its own
    # pages.
    vars(app).update(validation_error_callback=errors.refuse_fields, validate_response=False)
    for blueprint in (*nouns, webhooks.api, health.api, metrics.api, docs.api):
        app.register_blueprint(blueprint)
        app.extensions["csrf"].exempt(blueprint)
    app.extensions[docs.EXTENSION] = docs.describe(nouns)
