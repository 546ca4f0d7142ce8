"""Many small cases in one test: all are tried, and the failure names those that fail."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest


def each(names: str | Sequence[str], cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Like `pytest.mark.parametrize`, but as one test, whose fixtures all cases share."""
    cases = list(cases)
    assert cases
    single = isinstance(names, str) and "," not in names
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)

    def fold(check: Callable[..., None]) -> Callable[..., None]:
        @wraps(check)
        def test(**fixtures: Any) -> None:
            failures: list[BaseException] = []
            for case in cases:
                given = dict(zip(fields, (case,) if single else case, strict=True))
                try:
                    check(**fixtures, **given)
                except (Exception, pytest.fail.Exception) as failure:
                    failure.add_note(f"with {given}"[:500])
                    failures.append(failure)
            if failures:
                raise BaseExceptionGroup(f"{len(failures)} of {len(cases)} cases", failures)

        signature = inspect.signature(check)
        kept = [one for name, one in signature.parameters.items() if name not in fields]
        test.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        del test.__wrapped__
        return test

    return fold
