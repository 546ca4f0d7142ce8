"""The tenants in which every route is tried."""

import pytest
from flask import Flask

from tests.architecture.tenants import Tenants
from tests.servers import Servers


@pytest.fixture
def tenants(app: Flask, servers: Servers) -> Tenants:
    return Tenants.ready(app, servers)
