"""The API only grows: `docs/openapi.json` and `docs/openapi-platform.json` are what was promised.

`make openapi` writes them. Something that disappears from them must be named in `docs/api-changes.md`, between
backticks and in the words of `promises`.
"""

import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask

from dashboard.api.docs import PUBLIC, STAFF

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILES = {PUBLIC: DOCS / "openapi.json", STAFF: DOCS / "openapi-platform.json"}
CHANGES = DOCS / "api-changes.md"
WRITE = "COFFER_WRITE_OPENAPI"


def promises(document: dict[str, Any]) -> Iterator[str]:
    """`GET /path`, `GET /path ?parameter`, `GET /path 200`, `Schema.field` and `Schema.field=value`."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            call = f"{method.upper()} {path}"
            yield call
            for parameter in operation.get("parameters", []):
                yield f"{call} ?{parameter['name']}"
                yield from (f"{call} ?{parameter['name']}={value}" for value in values(parameter["schema"]))
            yield from (f"{call} {status}" for status in operation["responses"])
    for title, schema in document["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            yield f"{title}.{name}"
            yield from (f"{title}.{name}={value}" for value in values(field))


def values(schema: dict[str, Any]) -> list[str]:
    """The values that a field can have, if they are listed."""
    inner = [*([schema["items"]] if "items" in schema else []), *schema.get("anyOf", [])]
    own = [*schema.get("enum", []), *schema.get("x-extensible-enum", [])]
    return own + [value for one in inner for value in values(one)]


def broken(promised: dict[str, Any], now: dict[str, Any], changes: str) -> list[str]:
    """What was promised and is gone without being named in `changes`."""
    named = set(re.findall(r"`([^`]+)`", changes))
    return sorted(set(promises(promised)) - set(promises(now)) - named)


def test_nothing_promised_disappears_unannounced(app: Flask) -> None:
    for name, file in FILES.items():
        now = json.loads(json.dumps(app.extensions[name]))
        gone = broken(json.loads(file.read_text()), now, CHANGES.read_text()) if file.exists() else []
        assert gone == [], f"gone from the API: name it in {CHANGES.name}, or bring it back"
        text = json.dumps(now, indent=1, ensure_ascii=False) + "\n"
        if os.environ.get(WRITE):
            file.write_text(text)
        assert file.read_text() == text, f"{file.name} is outdated: run `make openapi`"


def test_a_broken_promise_is_noticed(app: Flask) -> None:
    promised = app.extensions[PUBLIC]
    for gone, remove in (
        ("GET /api/v1/me", lambda new: new["paths"].pop("/api/v1/me")),
        ("POST /api/v1/orgs/{org_id}/wallet 402", lambda new: wallet(new)["responses"].pop("402")),
        ("Wallet.held_micros", lambda new: new["components"]["schemas"]["Wallet"]["properties"].pop("held_micros")),
        ("WalletMovement.operation=deposit", lambda new: operation(new)["enum"].remove("deposit")),
        ("Transaction.type=charge", lambda new: type_(new)["x-extensible-enum"].remove("charge")),
    ):
        new = copy.deepcopy(promised)
        remove(new)
        assert gone in broken(promised, new, "")
        assert gone not in broken(promised, new, f"| 2027-01-01 | `{gone}` is gone. |")
        assert broken(new, promised, "") == [], "the API may grow"


def wallet(document: dict[str, Any]) -> Any:
    return document["paths"]["/api/v1/orgs/{org_id}/wallet"]["post"]


def operation(document: dict[str, Any]) -> Any:
    return document["components"]["schemas"]["WalletMovement"]["properties"]["operation"]


def type_(document: dict[str, Any]) -> Any:
    return document["components"]["schemas"]["Transaction"]["properties"]["type"]
