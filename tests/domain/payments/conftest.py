from collections.abc import Iterator

import pytest
from flask import Flask

from dashboard import providers
from tests.domain.payments.shop import Shop


@pytest.fixture
def shop(app_context: Flask) -> Iterator[Shop]:
    yield Shop(app_context)
    app_context.extensions.pop(providers.EXTENSION, None)
