from collections.abc import Iterator

import pytest
from flask import Flask

from dashboard import providers
from tests.domain.payments.seller import Seller


@pytest.fixture
def seller(app_context: Flask) -> Iterator[Seller]:
    yield Seller(app_context)
    app_context.extensions.pop(providers.EXTENSION, None)
