"""One family of errors: a stable code, a sentence for users and an HTTP status. Each surface has one handler for it."""

from collections.abc import Callable
from typing import Any


class CofferError(Exception):
    """An error that the caller can read. Raise a subclass; never put secrets into the sentence."""

    status = 400
    code = "bad_request"

    def __init__(self, detail: str, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.extra = extra


class Unauthenticated(CofferError):
    status, code = 401, "unauthenticated"


class InsufficientFunds(CofferError):
    """A charge above the available amount. `available_micros` and `required_micros` give both amounts."""

    status, code = 402, "insufficient_funds"

    def __init__(self, *, available_micros: int, required_micros: int) -> None:
        super().__init__(
            "The balance is too low for this charge. Nothing was changed.",
            available_micros=available_micros,
            required_micros=required_micros,
        )


class Forbidden(CofferError):
    status, code = 403, "forbidden"


class WrongRole(Forbidden):
    """Only `roles` of the organization may do this."""

    def __init__(self, detail: str, roles: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.roles = roles


class NotFound(CofferError):
    """Also raised for what belongs to someone else: a stranger cannot tell the two apart."""

    status, code = 404, "not_found"

    def __init__(self, detail: str = "There is nothing at this address.") -> None:
        super().__init__(detail)


class Conflict(CofferError):
    status, code = 409, "conflict"


class Gone(CofferError):
    """A link that does not work (any more): used, withdrawn, expired or made up. All have the same text."""

    status, code = 410, "gone"


class TooLarge(CofferError):
    status, code = 413, "too_large"


class Invalid(CofferError):
    """One invalid field, or no particular field (`field=None`). `others`: more of them, found at the same time."""

    status, code = 422, "invalid"

    def __init__(self, detail: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.field = field
        self.others: tuple[Invalid, ...] = ()


def check_each(*checks: Callable[[], object]) -> None:
    """Run all checks, and raise the first Invalid with the others."""
    found = []
    for check in checks:
        try:
            check()
        except Invalid as refusal:
            found.append(refusal)
    if found:
        found[0].others = tuple(found[1:])
        raise found[0]


class TooManyRequests(CofferError):
    """`retry_after` in seconds."""

    status, code = 429, "too_many_requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(CofferError):
    """A service that we depend on is unavailable; nothing was changed. `retry_after` in seconds."""

    status, code = 503, "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after
