"""What programs send to the calls of the matrix."""

import secrets

PACK = {"name": "Matrix", "price_cents": 100, "currency": "usd", "amount_micros": 1_000_000, "active": True}


OF_USAGE: dict[str, dict[str, object]] = {
    "/usage": {"metric_key": "matrix", "units": 1},
    "/usage/batch": {"events": [{"metric_key": "matrix", "units": 1}]},
    "/usage/charge": {"event_ids": ["01890000-0000-7000-8000-000000000000"]},
    "/void": {"reason": "Matrix"},
    "/holds": {"amount_micros": 1},
}


def body_of(line: str, org_id: str, product_id: str, member_id: str = "") -> dict[str, object]:
    """What a program sends there when it sends something good: rights are told after the body is read."""
    method, _, rule = line.partition(" ")
    if usage := next((body for end, body in OF_USAGE.items() if rule.endswith(end)), None):
        return usage
    if rule.endswith("/wallet"):
        return {"operation": "deposit", "amount_micros": 1_000_000, "description": "Matrix"}
    if line == "POST /api/v1/orgs":
        return {"name": "Matrix"}
    if rule.endswith(("/orgs/<org:org_id>/invites", "/orgs/<org:org_id>/members")):
        return {"email": f"{secrets.token_hex(4)}@example.test", "role": "member"}
    if rule.endswith(("/invites/accept", "/invites/decline")):
        return {"token": "never was"}
    if "/members" in rule:
        return {"role": "member"}
    if rule.endswith("/ownership-transfer"):
        return {"member_id": member_id}
    if rule.endswith("/checkout"):
        urls = {"success_url": "http://localhost/ok", "cancel_url": "http://localhost/no"}
        return {"product_id": product_id, **urls}
    if rule.endswith("/limits"):
        return {"scope": "app", "subject": secrets.token_hex(4), "window": "day", "amount_micros": 10**15}
    if rule.endswith("/orgs/<org:org_id>/prices"):
        return {"metric_key": "matrix", "free_units": secrets.randbelow(10**9)}
    if rule.endswith("/metrics"):
        return {"metric_key": f"m{secrets.token_hex(4)}", "name": "Matrix", "unit": "piece"}
    if rule.endswith("/prices"):
        return {"amount_micros": 0}
    if rule == "/admin/api/v1/transactions":
        return {"org_id": org_id, "transaction_type": "admin_grant", "amount": 1, "description": "Matrix"}
    if rule.endswith("/api-keys"):
        return {"name": "Matrix", "scopes": ["catalog:read"]}
    if rule.endswith("/identity-provider"):
        return {"issuer": "https://login.example.test", "algorithm": "HS256", "secret": "x" * 40}
    if rule.endswith("/rotate"):
        return {"grace": "7d"}
    if rule.endswith("/api-keys/<uuid:key_id>"):
        return {"cap": None}
    if rule.endswith("/products") and method == "POST":
        return PACK
    if line == "PATCH /admin/api/v1/orgs/<org:id>":
        return {"reason": "Matrix"}
    return {}
