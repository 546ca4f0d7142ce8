"""A mail server that takes the connection and never says a word."""

import socket
from functools import partial

import pytest
from flask import Flask

from dashboard.core import queue
from dashboard.core.db import transaction
from dashboard.domain.messages import outbox
from tests.scenarios import processes
from tests.scenarios.processes import wait_until
from tests.scenarios.purchases import Purchases
from tests.scenarios.test_race import credited
from tests.servers import Servers


def busy() -> list[str]:
    """The queues whose workers have a job in hand."""
    return [one.queue for one in queue.job_queue().running() or [] if one.state == "busy"]


def test_it_holds_up_no_credit(
    alone: None, servers: Servers, app_context: Flask, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        environ = servers.environ(
            COFFER_SMTP__URL=f"smtp://127.0.0.1:{silent.getsockname()[1]}", COFFER_SMTP__FROM="billing@example.test"
        )
        with processes.stack(environ, tmp_path_factory.mktemp("mail")) as own:
            own.start()
            purchases = Purchases(own, app_context)
            org = purchases.org()
            with transaction(org=org.id):
                outbox.send(org.id, key="one", event="test", to="ada@example.test", context={"asked_by": "Ada"})
            connection, _ = silent.accept()
            with connection:
                wait_until(lambda: busy() == [queue.MAIL], "the mail's own worker, and no other, to wait for it")
                sale = purchases.sell(org)
                own.deliver(sale.events[0])
                wait_until(partial(credited, purchases, sale), "the credit")
        purchases.require_credited_once([sale])
        assert outbox.owed(org.id, "one")
