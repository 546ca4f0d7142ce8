"""Coffer: prepaid billing for a SaaS company's customers."""

import logging
from pathlib import Path

from flask import Flask, Response, request
from flask_migrate import Migrate
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import api, cli, config, web
from dashboard.core import (
    crypto,
    db,
    logs,
    metrics,
    queue,
    throttle,
)
from dashboard.core.errors import CofferError, Invalid, Unavailable

ROOT = Path(__file__).resolve().parent.parent
REQUEST_LIMIT_BYTES = 1_000_000

log = logging.getLogger(__name__)


def create_app(settings: config.Settings | None = None) -> Flask:
    """Create the complete application. Reads the settings from the file and the environment if none are given."""
    chosen = with_servers(settings or config.load())
    app = Flask("dashboard", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.config["COFFER"] = chosen
    app.config["SECRET_KEY"] = chosen.secret_key.get_secret_value()
    app.config["MAX_CONTENT_LENGTH"] = REQUEST_LIMIT_BYTES
    if chosen.proxy_hops:
        hops = chosen.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    logs.configure(readable=chosen.environment == "development")
    logs.init_app(app, trust_request_id=chosen.proxy_hops > 0)
    metrics.init_app(app, enabled=chosen.metrics_token is not None)
    crypto.init_app(app, encryption_keys=[key.get_secret_value() for key in chosen.encryption_keys])
    db.init_app(app, str(chosen.database_url))
    queue.init_app(app, str(chosen.redis_url), patience=min(queue.JOB_SECONDS, 3 * chosen.jobs.tick_seconds))
    throttle.init_app(app, str(chosen.redis_url))
    Migrate(app, db.db, directory=str(ROOT / "migrations"))
    web.register(app, chosen, is_call=api.serves)
    api.register(app)
    cli.register(app)
    app.register_error_handler(Exception, _answer)
    return app


def with_servers(result: config.Settings) -> config.Settings:
    """The settings, with the URLs of embedded PostgreSQL and Valkey if none are given. Starts or joins those
    servers."""
    if result.database_url and result.redis_url:
        return result
    if result.production:
        raise config.ConfigError(["embedded services are refused in production"])
    from dashboard import embedded  # only processes that use the servers need their binaries

    servers = embedded.start(ROOT / "var")
    urls = {"redis_url": servers.redis_url}
    if not result.database_url:
        urls |= {"database_url": servers.app_url, "migration_database_url": servers.database_url}
    return result.model_copy(update={name: url for name, url in urls.items() if not getattr(result, name)})


def _answer(error: Exception) -> Response:
    """Turn an error into a response of the surface it happened on. Only unexpected errors are logged in full."""
    if isinstance(error, db.AWAY):
        log.error("database away or busy", extra={"error": type(error).__name__})
        # An interrupted commit may or may not have succeeded, so the response must not say that nothing was changed.
        error = Unavailable("Coffer cannot reach its database for a moment. With its key, a request counts once.")
    elif db.cannot_store(error):  # the code that accepted the text should have rejected it at its field
        log.warning("text that cannot be stored", extra={"route": request.endpoint})
        error = Invalid("A text contains characters that cannot be stored.", code="not_plain_text")
    elif isinstance(error, ParseException):  # gunicorn parses a chunked body only when it is read
        error = BadRequest()
    elif not isinstance(error, CofferError | HTTPException):
        log.exception("unexpected error", exc_info=error)
    response = api.errors.answer(error) if api.serves(request.path) else web.errors.answer(error)
    if response.status_code == 413:
        response.headers["Connection"] = "close"  # do not read what is still being sent
    return response
