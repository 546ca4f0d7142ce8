"""One family of errors: a stable code, a sentence for people, an HTTP status. Each surface has one handler for it."""

from typing import Any


class CofferError(Exception):
    """A refusal that the caller can read. Raise a subclass; put nothing secret into the sentence."""

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
    """A charge above what is available. `available_micros` and `required_micros` say by how much."""

    status, code = 402, "insufficient_funds"

    def __init__(self, *, available_micros: int, required_micros: int) -> None:
        super().__init__(
            "The balance is too low for this charge. Nothing was changed.",
            available_micros=available_micros,
            required_micros=required_micros,
        )


class Forbidden(CofferError):
    status, code = 403, "forbidden"


class NotFound(CofferError):
    """Also for what belongs to someone else: a stranger cannot tell the two apart."""

    status, code = 404, "not_found"

    def __init__(self, detail: str = "There is nothing at this address.") -> None:
        super().__init__(detail)


class Conflict(CofferError):
    status, code = 409, "conflict"


class Gone(CofferError):
    """A link that was good once, or never: used, withdrawn, run out, made up. All read the same."""

    status, code = 410, "gone"


class TooLarge(CofferError):
    status, code = 413, "too_large"


class Invalid(CofferError):
    """One bad field, or none in particular (`field=None`)."""

    status, code = 422, "invalid"

    def __init__(self, detail: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.field = field


class TooManyRequests(CofferError):
    """`retry_after` in seconds."""

    status, code = 429, "too_many_requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(CofferError):
    """Something we stand on is away; nothing was changed. `retry_after` in seconds."""

    status, code = 503, "unavailable"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int = 5) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after
