"""Example calls of the API, ready for a shell. Each rendering has its own idempotency key, so that no example repeats
another one's charge."""

from collections.abc import Collection
from uuid import UUID

from flask import request

from dashboard.config.urls import base_url
from dashboard.core import ids
from dashboard.core.errors import Invalid

CUSTOMER = "your-customer-id"
AUTH = '-H "Authorization: Bearer $COFFER_KEY"'


def of_service_key(scopes: Collection[str]) -> list[str]:
    """What a service key with these scopes may do: create a customer, and the calls for it by its external key."""
    body = f'{{"name": "Customer", "external_key": "{CUSTOMER}"}}'
    new = f"curl {_base()}/api/v1/orgs \\\n  {AUTH} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    found = [new] if "orgs:write" in scopes else []
    return found + (calls(f"ext:{CUSTOMER}", scopes) if {*scopes} != {"orgs:write"} else [])


def calls(org_ref: UUID | str, scopes: Collection[str]) -> list[str]:
    """What a key with these scopes may do: a read, and a movement of money. `org_ref` names the organization in a
    path."""
    org = f"{_base()}/api/v1/orgs/{org_ref}"
    found = [f"curl {org}/wallet \\\n  {AUTH}"] if "wallet:read" in scopes else []
    found += [move(org, verb) for verb in ("charge", "deposit") if f"wallet:{verb}" in scopes][:1]
    if not found and "platform:read" in scopes:
        found.append(f"curl {_base()}/admin/api/v1/orgs \\\n  {AUTH}")
    return found or [f"curl {org}/products \\\n  {AUTH}"]


def usage(org_id: UUID, metric_key: str) -> dict[str, str]:
    """A program that reports one event of the metric, by language."""
    url, key = f"{_base()}/api/v1/orgs/{org_id}/usage", f"first-usage-{ids.new().hex[-8:]}"
    curl = (
        f"curl {url} \\\n  {AUTH} \\\n  -H 'Idempotency-Key: {key}' \\\n  -H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"metric_key": "{metric_key}", "units": 1, "app": "my-app"}}\''
    )
    python = (
        f'import os, requests\n\nrequests.post(\n    "{url}",\n'
        '    headers={"Authorization": "Bearer " + os.environ["COFFER_KEY"], '
        f'"Idempotency-Key": "{key}"}},\n    json={{"metric_key": "{metric_key}", "units": 1, "app": "my-app"}},\n)'
    )
    return {"curl": curl, "Python": python}


def hold(org_id: UUID) -> str:
    """Two calls that reserve credits and charge what was used of them."""
    holds, key = f"{_base()}/api/v1/orgs/{org_id}/holds", f"first-hold-{ids.new().hex[-8:]}"
    made = '{"amount_micros": 300000, "expires_in": 600, "description": "A long answer", "app": "my-app"}'
    calls = ((holds, key, made), (f"{holds}/$HOLD_ID/capture", f"{key}-done", '{"amount_micros": 120000}'))
    return "\n\n".join(
        f"curl {url} \\\n  {AUTH} \\\n  -H 'Idempotency-Key: {name}' \\\n  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
        for url, name, body in calls
    )


def move(org: str, operation: str) -> str:
    key = f"first-{operation}-{ids.new().hex[-8:]}"
    body = f'{{"operation": "{operation}", "amount_micros": 18100, "description": "1,204 tokens", "app": "my-app"}}'
    return "\n".join(
        (
            f"curl {org}/wallet \\",
            f"  {AUTH} \\",
            f"  -H 'Idempotency-Key: {key}' \\",
            "  -H 'Content-Type: application/json' \\",
            f"  -d '{body}'",
        )
    )


def _base() -> str:
    try:
        return base_url()
    except Invalid:
        return request.host_url.rstrip("/")
