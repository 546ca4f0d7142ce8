"""What an account holds, what is asked and what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.stripe_fake.signing import Json

DEFAULT_ACCOUNT = "acct_1TCofferFake"


@dataclass
class Refusal(Exception):
    """An error answer in Stripe's words."""

    status: int
    code: str | None
    message: str
    param: str | None = None
    type: str = "invalid_request_error"

    def body(self) -> Json:
        facts = {"type": self.type, "code": self.code, "message": self.message, "param": self.param}
        return {"error": {name: value for name, value in facts.items() if value is not None}}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One request as it came in. `params` is empty where the contract was broken."""

    method: str
    path: str
    params: Json
    idempotency_key: str | None
    key_last4: str
    version: str | None


@dataclass
class Account:
    """What one account holds in one mode."""

    id: str
    livemode: bool
    things: dict[str, Json] = field(default_factory=dict)
    lines: dict[str, list[Json]] = field(default_factory=dict)
    intent_metadata: dict[str, Json] = field(default_factory=dict)

    def newest(self, kind: str) -> list[Json]:
        """Newest first."""
        return [thing for thing in reversed(self.things.values()) if thing["object"] == kind]

    def find(self, id_: str, kind: str, param: str | None = None) -> Json:
        thing = self.things.get(id_)
        if thing is None or thing["object"] != kind:
            raise Refusal(404 if param is None else 400, "resource_missing", f"No such {kind}: '{id_}'", param or "id")
        return thing
