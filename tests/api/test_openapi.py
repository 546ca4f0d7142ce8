"""The OpenAPI document is valid, names every route, and tells the truth about what answers."""

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard import api
from tests import factories
from tests.api.conftest import Program

UNDESCRIBED = {"/api/v1/openapi.json", "/api/v1/docs", "/api/v1/docs/<group>", "/healthz", "/readyz", "/metrics"}
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def document(program: Program) -> dict[str, Any]:
    response = program.get("/api/v1/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    found: dict[str, Any] = response.get_json()
    return found


def operations(found: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, each in found["paths"].items() for method, one in each.items()]


def test_every_route_is_in_the_document_and_the_reverse(program: Program) -> None:
    served = {
        (re.sub(r"<([^<:]+:)?", "{", rule.rule).replace(">", "}"), method.lower())
        for rule in program.app.url_map.iter_rules()
        for method in (rule.methods or set()) & METHODS
        if api.serves(rule.rule) and rule.rule not in UNDESCRIBED
    }
    described = {(path, method) for path, method, _ in operations(document(program))}
    assert served == described
    assert len(served) > 20


def test_the_document_is_well_formed(program: Program) -> None:
    found = document(program)
    assert found["openapi"].startswith("3.")
    assert found["info"].keys() >= {"title", "version"}
    assert found["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    names = [one["operationId"] for _, _, one in operations(found)]
    assert len(names) == len(set(names))
    for path, method, one in operations(found):
        declared = {each["name"] for each in one.get("parameters", []) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), path
        assert all(each.get("required") for each in one.get("parameters", []) if each["in"] == "path")
        assert one["summary"], path
        assert all(answer["description"] for answer in one["responses"].values()), (path, method)
        assert set(one["responses"]) & {"200", "201", "204"}, (path, method)
        security = one.get("security", [])
        assert security == ([] if "/webhooks/" in path or path == "/api/v1/invites/peek" else [{"bearer": []}]), path
        if method in ("post", "patch") and not path.endswith("/resend"):
            assert one["requestBody"]["content"]["application/json"]["schema"]


def test_every_reference_leads_somewhere_and_every_schema_is_one(program: Program) -> None:
    found = document(program)
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', program.get("/api/v1/openapi.json").get_data(as_text=True)):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in found["components"]["schemas"], reference
    for schema in found["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_money_posts_name_their_key(program: Program) -> None:
    keyed = {
        path
        for path, method, one in operations(document(program))
        if any(each["name"] == "Idempotency-Key" for each in one.get("parameters", []))
    }
    assert keyed == {"/api/v1/orgs/{org_id}/wallet", "/api/v1/orgs/{org_id}/checkout", "/admin/api/v1/transactions"}


def test_answers_are_as_described(program: Program) -> None:
    found = document(program)
    org = program.org(funds=1_000_000)
    key, token = program.key(org, "wallet:read", "wallet:charge", "catalog:read"), program.manager_token()
    program.make(factories.make_pack)
    base = f"/api/v1/orgs/{org.id}"
    row = program.post(f"{base}/wallet", key, json={"operation": "charge", "amount_micros": 5}).get_json()
    calls = [
        ("/api/v1/orgs", "/api/v1/orgs", key), ("/api/v1/orgs/{org_id}/wallet", f"{base}/wallet", key),
        ("/api/v1/orgs/{org_id}/wallets", f"{base}/wallets", key),
        ("/api/v1/orgs/{org_id}/transactions", f"{base}/transactions", key),
        ("/api/v1/orgs/{org_id}/transactions/{id}", f"{base}/transactions/{row['transaction']['id']}", key),
        ("/api/v1/orgs/{org_id}/products", f"{base}/products", key),
        *((f"/admin/api/v1/{noun}",) * 2 + (token,) for noun in ("transactions", "products", "orgs", "users")),
    ]  # fmt: skip
    for described, path, bearer in calls:
        response = program.get(path, bearer)
        assert response.status_code == 200, (path, response.get_data(as_text=True))
        schema = found["paths"][described]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(response.get_json(), {**schema, "components": found["components"]})
    problem = program.get(f"{base}/nothing", key).get_json()
    jsonschema.validate(problem, {"$ref": "#/components/schemas/Problem", "components": found["components"]})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["deposit", "charge", "admin_grant", "usd", "1e3", "\x00", "\ud800", 10**18, -1, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@pytest.mark.slow
def test_no_body_and_no_query_brings_it_down(program: Program) -> None:
    found = document(program)
    org, token = program.org(funds=1_000_000), program.manager_token()
    key = program.key(org, "wallet:read", "wallet:charge", "wallet:deposit", "checkout:create", "catalog:read")
    program.app.config["PROPAGATE_EXCEPTIONS"] = False
    schemas = found["components"]["schemas"]
    targets = []
    for path, method, one in operations(found):
        body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        names = sorted(schemas.get(body.get("$ref", "").rpartition("/")[2], {}).get("properties", {}))
        queries = [each["name"] for each in one.get("parameters", []) if each["in"] == "query"]
        targets.append((path.replace("{org_id}", str(org.id)), method, names, queries))

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        path, method, names, queries = data.draw(st.sampled_from(targets))
        path = re.sub(r"{\w+}", lambda _: data.draw(st.sampled_from([str(org.id), "x", "%00", "..", "-1"])), path)
        fields = st.sampled_from(names) if names else st.text(max_size=5)
        body = data.draw(st.dictionaries(fields, VALUES, max_size=6) | VALUES)
        texts = st.text(max_size=10) | st.sampled_from(["\x00", "1", "-1", "9" * 30, "2026-11-20", "charge"])
        query = data.draw(st.dictionaries(st.sampled_from(queries), texts, max_size=3)) if queries else {}
        query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
        bearer = token if path.startswith("/admin") else key
        raw = json.dumps(body).encode()
        sent: dict[str, Any] = {"data": raw, "content_type": "application/json"} if method in ("post", "patch") else {}
        response = program.call(method.upper(), path, bearer, query_string=query, **sent)
        assert response.status_code < 500, (method, path, query, raw, response.get_data(as_text=True))
        if response.status_code >= 400:
            assert response.content_type == "application/problem+json"

    fuzz()
