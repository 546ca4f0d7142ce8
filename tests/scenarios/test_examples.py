"""The example programs charge exactly once per request through a proxy that cuts, while the website restarts."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from flask import Flask

from dashboard.core.db import db
from dashboard.domain.platform import verify
from dashboard.models import Transaction
from tests.factories import make_key, make_org, wallet_of
from tests.scenarios.cutting_proxy import BREAKS, cutting_proxy
from tests.scenarios.processes import Stack, kill, wait_until
from tests.servers import ROOT

CHARGES = 600
MICROS = 100
EXAMPLES = ROOT / "docs" / "examples"


@pytest.mark.parametrize("command", [(sys.executable, "charge.py"), ("node", "charge.mjs")], ids=["python", "node"])
def test_rows_equal_requests_whatever_breaks(stack: Stack, app_context: Flask, command: tuple[str, str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    stack.start(worker=False)
    org = make_org(funds=1_000_000)

    def keys() -> list[str]:
        return [key for (key,) in db.session.query(Transaction.key).filter_by(org_id=org.id, type="charge")]

    with cutting_proxy(urlsplit(stack.url).port or 0, seed=1) as proxy:
        environ = {
            "COFFER": f"http://127.0.0.1:{proxy.port}",
            "KEY": make_key(org, "wallet:charge"),
            "PATH": "/usr/bin:/bin",
        }
        program = subprocess.Popen(
            [shutil.which(command[0]) or command[0], EXAMPLES / command[1], str(CHARGES), "chat-api"],
            env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        wait_until(lambda: len(keys()) > CHARGES // 4, "a quarter of the charges")
        kill(stack.web_workers()[0])
        wait_until(lambda: len(keys()) > CHARGES // 2, "half of the charges")
        stack.web.signal(signal.SIGHUP)
        output, _ = program.communicate(timeout=120)
    assert output == f"{CHARGES} requests, {CHARGES} charges\n", output
    assert all(proxy.counts[fault] for fault in BREAKS), proxy.counts
    assert len(keys()) == len(set(keys())) == CHARGES
    db.session.expire_all()
    assert wallet_of(org).balance == 1_000_000 - CHARGES * MICROS
    assert verify.broken() == []


def test_the_readmes_block_charges_when_pasted(stack: Stack, app_context: Flask) -> None:
    stack.start(worker=False)
    org = make_org(funds=1_000_000)
    text = (ROOT / "README.md").read_text()
    block = re.search(r"paste this into a second shell:\n\n((?: {4}.*\n)+)", text)
    assert block
    pasted = block[1].replace(".venv/bin/flask", f"{shlex.quote(sys.executable)} -m flask")
    run = ["bash", "-c", f"set -e\n{pasted.replace('--org demo', f'--org {org.slug}')}"]
    answer = subprocess.run(run, cwd=ROOT, env=os.environ | stack.environ, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["transaction"]["amount_micros"] == -18_100
