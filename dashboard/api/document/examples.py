"""One example of each call: `examples.json`, which a test executes and writes."""

import json
from pathlib import Path
from typing import Any

JSON = "application/json"
EXAMPLES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text())


def add(operation: dict[str, Any]) -> None:
    """Put the call's example where the document shows it: parameters, body and answer."""
    example = EXAMPLES.get(operation["operationId"], {})
    values = example.get("path", {}) | example.get("query", {})
    for parameter in operation.get("parameters", []):
        if parameter["name"] in values:
            parameter["example"] = values[parameter["name"]]
    if "request" in example:
        operation["requestBody"]["content"][JSON]["example"] = example["request"]
    if "answer" in example:
        operation["responses"][str(example["status"])]["content"][JSON]["example"] = example["answer"]
