"""The world in which every route is tried."""

import pytest
from flask import Flask

from tests.architecture.world import World
from tests.servers import Servers


@pytest.fixture
def world(app: Flask, servers: Servers) -> World:
    return World.ready(app, servers)
