"""The shipped systemd units: systemd accepts them, and they give the processes as little as they need."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

UNITS = ROOT / "deploy" / "systemd"
SERVICES = ("coffer-web.service", "coffer-worker.service", "coffer-migrate.service")
MOST_EXPOSED = 20
"""Tenths, as `systemd-analyze security` counts: 100 is an unconfined service."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with the checkout's own paths."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: install the package `systemd`")
    for name in SERVICES:
        text = (UNITS / name).read_text()
        assert "/opt/coffer/.venv/bin/" in text
        text = text.replace("/opt/coffer/.venv", sys.prefix).replace("/opt/coffer", str(ROOT))
        (tmp_path / name).write_text(text)
    return tmp_path


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_systemd_accepts_the_units(units: Path) -> None:
    done = analyze("verify", "--man=no", *(str(units / name) for name in SERVICES))
    ours = [line for line in done.stderr.splitlines() if "coffer-" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_confined(units: Path, name: str) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(units / name))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a file")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    print(done.stdout.splitlines()[-1])


def test_every_name_of_the_example_is_a_setting() -> None:
    from dashboard import config

    lines = (UNITS / "coffer.env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    filled = {
        "COFFER_SECRET_KEY": "s" * 48, "COFFER_ENCRYPTION_KEYS": "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=",
        "COFFER_PAYMENT__STRIPE__API_KEY": "sk_test_x", "COFFER_PAYMENT__STRIPE__WEBHOOK_SECRET": "whsec_x",
    }  # fmt: skip
    assert filled.keys() <= given.keys()
    settings = config.load(given | filled)
    assert settings.production
    assert settings.proxy_hops == 1
    assert settings.metrics_token is None
