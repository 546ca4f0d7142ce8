"""Tools that nobody here wrote accept the API's documents, and a client that one of them makes charges a wallet."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import openapi_spec_validator
import pytest

from dashboard.api.docs import PUBLIC
from tests.api.conftest import Program
from tests.api.test_openapi import documents
from tests.architecture.test_api_promises import FILES

BIN = Path(sys.executable).parent
PACKAGE = "coffer_generated_client"


def test_the_documents_are_valid_openapi(program: Program) -> None:
    for found in documents(program):
        openapi_spec_validator.validate(found)


@pytest.fixture
def client(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of a client that was made from the committed document."""
    command = [BIN / "openapi-python-client", "generate", "--meta", "none", "--fail-on-warning"]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, "--path", FILES[PUBLIC], "--output-path", tmp_path / PACKAGE],
        env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name: importlib.import_module(f"{PACKAGE}{name}")
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


def test_a_generated_client_charges_and_reads(program: Program, client: Any) -> None:
    org = program.org(funds=10_000_000)
    models, problem = client(".models"), client(".models.problem").Problem
    bearer = client("").AuthenticatedClient(
        base_url="http://localhost", token=program.key(org, "wallet:read", "wallet:charge"),
        httpx_args={"transport": httpx.WSGITransport(program.app)},
    )  # fmt: skip
    move = client(".api.wallet.wallet_move").sync_detailed
    charge = models.WalletMovement.from_dict({"operation": "charge", "amount_micros": 3_000_000_000, "app": "chat-api"})
    refused = move("self", client=bearer, body=charge, idempotency_key="job-1")
    assert isinstance(refused.parsed, problem)
    assert (refused.status_code, refused.parsed.code) == (402, "insufficient_funds")
    assert (refused.parsed.available_micros, refused.parsed.required_micros) == (10_000_000, 3_000_000_000)
    charge.amount_micros = 18_100
    first, again = (move(str(org.id), client=bearer, body=charge, idempotency_key="job-2") for _ in range(2))
    assert first.parsed.transaction.amount_micros == -18_100
    assert again.parsed.transaction.id == first.parsed.transaction.id
    assert (again.headers["Idempotent-Replay"], again.parsed.wallet_balance) == ("true", 10_000_000 - 18_100)
    rows, cursor = [], client(".types").UNSET
    while cursor is not None:
        list_ = client(".api.transactions.transactions_list").sync
        page = list_("self", client=bearer, limit=1, cursor=cursor)
        rows += page.data
        cursor = page.next_cursor
    assert [row.type_ for row in rows] == ["charge", "admin_grant"]
    assert rows[0].idempotency_key == "job-2"
