"""The parts of the OpenAPI documents that do not come from a route: responses and headers that all calls share,
credentials, and the groups of calls."""

from typing import Any

OPENAPI = "3.1.1"
INFO = {"version": "1", "license": {"name": "MIT", "identifier": "MIT"}}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def tag(name: str, shown: str, sentence: str) -> dict[str, str]:
    return {"name": name, "x-displayName": shown, "description": sentence}


TAGS = [
    tag("me", "Me", "Whose token this is."),
    tag("orgs", "Organizations", "The customers of the platform. Each has a wallet per mode and unit."),
    tag("wallet", "Wallet", "The balance, and the two ways to move money: `charge` and `deposit`."),
    tag("transactions", "Transactions", "The ledger: every movement of money, and why it happened."),
    tag("limits", "Spend limits", "The most that may be spent per day, week or month."),
    tag("spendable", "Spendable", "What can be spent now, and what bounds it."),
    tag("grants", "Credit grants", "The parts of a balance: what is left of each, and when it expires."),
    tag("usage", "Usage", "Report what was used; it is priced and charged at once."),
    tag("holds", "Holds", "Reserve credits before the work, and charge what it cost."),
    tag("metrics", "Metrics", "What can be used, and its price."),
    tag("prices", "Prices", "What usage costs: past, present and scheduled versions."),
    tag("payments", "Payments", "What was paid to buy credits, and what became of it."),
    tag("checkout", "Checkout", "Opens the payment page for a product."),
    tag("products", "Products", "The packs of credits that can be bought."),
    tag("members", "Members", "The people of an organization, and their roles."),
    tag("invites", "Invites", "How people join an organization."),
    tag("api_keys", "API keys", "The keys of an organization, for programs, and their caps."),
    tag("identity_provider", "Identity provider", "Who signs the tokens of an organization's end users."),
    tag("audit", "Audit log", "Who did what, and when."),
    tag("platform_transactions", "Transactions", "Grants and removals, and the ledger of all organizations."),
    tag("platform_orgs", "Organizations", "All organizations, and what only the platform sets on them."),
    tag("platform_metrics", "Metrics", "What is metered, and the versions of its price."),
    tag("platform_users", "Users", "All people."),
    tag("platform_products", "Products", "The catalog from which organizations buy."),
]

CREDENTIALS: dict[str, dict[str, str]] = {
    "orgKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of an organization, `cof_<mode>_...`, with the scopes that it was given.",
    },
    "serviceKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of the platform, `cofs_<mode>_...`, which acts in every platform-funded organization.",
    },
    "personalToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A person's token, `cofp_...`: the person's role, limited by the token's scopes.",
    },
    "endUser": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of one of the organization's end users, signed by its identity provider.",
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names the request in the server's logs and in the audit log.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RateLimit-Limit": {
        "description": "How many calls the credential may make in any window.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {
        "description": "In how many seconds one more is available again.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Policy": {
        "description": "The limit and its window in seconds, such as `200;w=2`.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "After how many seconds to send the request again.",
        "required": True,
        "schema": {"type": "integer"},
    },
    "Retry-After-Ms": {
        "description": "The same in milliseconds, if the limit of calls is reached: then one more call is possible.",
        "schema": {"type": "integer"},
    },
    "WWW-Authenticate": {"description": "Always `Bearer`.", "required": True, "schema": {"type": "string"}},
    "Idempotency-Key": {
        "description": "The key of the request: the one that was sent, or a new one.",
        "schema": {"type": "string"},
    },
    "Idempotent-Replay": {
        "description": "`true` if the request was already carried out and this is its first answer again.",
        "schema": {"type": "string"},
    },
}
LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")


def headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response(sentence: str, *names: str) -> dict[str, Any]:
    return {"description": sentence, "headers": headers("X-Request-Id", *names), "content": PROBLEM}


RESPONSES = {
    "MalformedBody": _response("The body is not JSON (`malformed_json`).", *LIMIT_HEADERS),
    "Unauthenticated": _response("The token is missing or invalid (`unauthenticated`).", "WWW-Authenticate"),
    "Forbidden": _response("A scope or role is missing (`forbidden`).", *LIMIT_HEADERS),
    "NotFound": _response("It does not exist, or it belongs to someone else (`not_found`).", *LIMIT_HEADERS),
    "KeyConflict": _response(
        "The first call with the idempotency key is still running (`request_in_progress`), or its answer held a secret "
        "(`already_created`).",
        *LIMIT_HEADERS,
    ),
    "BodyTooLarge": _response("The body is larger than 64 KB (`too_large`).", *LIMIT_HEADERS),
    "NotJson": _response(
        "The body is not declared as JSON, or is compressed (`unsupported_media_type`).", *LIMIT_HEADERS
    ),
    "Invalid": _response("A field cannot be used; `errors` names each one.", *LIMIT_HEADERS),
    "TooManyRequests": _response(
        "Called too often (`too_many_requests`).", "Retry-After", "Retry-After-Ms", *LIMIT_HEADERS
    ),
    "InternalError": _response("An error on the server (`internal_error`)."),
    "Unavailable": _response("Not available for a moment; nothing was changed.", "Retry-After"),
}
"""By name. `SHARED` says which status has which."""

SHARED: dict[str, Any] = {
    "400": "MalformedBody", "401": "Unauthenticated", "403": "Forbidden", "404": "NotFound", "413": "BodyTooLarge",
    "415": "NotJson", "422": "Invalid", "429": "TooManyRequests", "500": "InternalError", "503": "Unavailable",
}  # fmt: skip
OF_KEYS: dict[str, Any] = {"409": "KeyConflict"}
OF_BODIES = {"400", "413", "415"}
"""Only a call with a body gives these."""

KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the call count only once: send the same key again to repeat a call whose answer was lost. "
    "Or use `idempotency_key` in the body.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def webhook(path: str, operation_id: str, summary: str) -> dict[str, Any]:
    """A call that a payment provider makes to `path`, by its name."""
    refusals = {"400": "Not signed, or not readable.", "413": "Larger than 1 MB."}
    operation: dict[str, Any] = {
        "operationId": operation_id,
        "summary": summary,
        "description": f"The provider posts to `{path}`. The signature counts; there is no token.",
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "200": {"description": "The event is stored."},
            **{code: _response(text) for code, text in refusals.items()},
            "503": {"$ref": "#/components/responses/Unavailable"},
        },
    }
    return {operation_id: {"x-path": path, "post": operation}}
