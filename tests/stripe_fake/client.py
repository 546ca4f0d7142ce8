"""The fake as an HTTP client of Stripe's SDK: no port, no thread, no waiting between retries."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from requests.structures import CaseInsensitiveDict

from tests.stripe_fake.faults import Dropped
from tests.stripe_fake.state import Fake


class FakeClient(stripe.HTTPClient):
    name = "fake"

    def __init__(self, fake: Fake) -> None:
        super().__init__()
        self.fake = fake

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        at = urlsplit(url)
        text = (post_data or "") if method.upper() == "POST" else at.query
        try:
            answer = self.fake.answer(method, at.path, text, headers or {})
        except Dropped as drop:
            raise stripe.APIConnectionError(f"Unexpected error: {drop}", should_retry=True) from None
        return answer.body, answer.status, CaseInsensitiveDict(answer.headers)

    def _sleep_time_seconds(self, num_retries: int) -> float:
        return 0.0

    def close(self) -> None:
        pass
