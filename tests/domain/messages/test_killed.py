"""A worker is killed after the server took a mail and before that was noted: it goes twice, and can be told."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope
from flask import Flask

from dashboard.core.db import db, transaction
from dashboard.domain.messages import outbox
from tests.domain.messages.test_outbox import FACTS, SENDER
from tests.factories import make_org
from tests.mailbox import Mailbox
from tests.servers import ROOT, Servers

DRAIN = """
import sys
from dashboard import create_app
from dashboard.jobs import outbox
with create_app().app_context():
    outbox.drain(sys.argv[1])
"""


class Killing(Mailbox):
    """Takes the first letter, and kills who brought it before it can hear of that."""

    victim = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if len(self.letters) == 1:
            os.kill(self.victim, signal.SIGKILL)
        return answer


@pytest.mark.slow
def test_a_mail_sent_but_not_marked_goes_again_under_the_same_id(app_context: Flask, servers: Servers) -> None:
    org_id = make_org().id
    with transaction(org=org_id):
        outbox.send(org_id, key="k", event="receipt", to="ada@example.test", context=FACTS)
    box = Killing()
    box.open()
    environ = servers.environ(COFFER_SMTP__URL=box.url, COFFER_SMTP__FROM=SENDER, COFFER_JOBS__CLAIM_SECONDS="1")
    try:
        first = start(environ, str(org_id))
        box.victim = first.pid
        assert first.wait(60) == -signal.SIGKILL
        assert state_of(org_id) == "waiting"
        time.sleep(1.1)  # the claim of the dead runs out, on the database's clock
        assert start(environ, str(org_id)).wait(60) == 0
    finally:
        box.close()
    assert state_of(org_id) == "sent"
    assert len(box.letters) == 2
    assert len({letter["Message-ID"] for letter in box.letters}) == 1


def start(environ: dict[str, str], org_id: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", DRAIN, org_id], env=environ, cwd=ROOT)


def state_of(org_id: Any) -> str:
    db.session.expire_all()
    row = outbox.owed(org_id, "k")
    assert row
    return row.state
