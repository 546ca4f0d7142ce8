"""Exported files: streamed to the end in constant memory, and only a few at once.

Each export uses a thread as long as its client reads. Further requests get 429 and can be repeated shortly afterwards.
"""

import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from weakref import WeakSet

from flask import Response, request, stream_with_context

from dashboard.core.errors import TooManyRequests

AT_ONCE = 2
"""Out of 8 threads per process."""

READER_SECONDS = 30.0
"""A client that reads nothing for this long is disconnected, even without a proxy."""

RETRY_SECONDS = 10

_lock = threading.Lock()
_open: "WeakSet[Turn]" = WeakSet()


class Turn:
    """A slot for one export, held until the file is read or abandoned: `with Turn() as turn`.

    Enter it before the export is recorded. Raises TooManyRequests.
    """

    def __enter__(self) -> "Turn":
        with _lock:
            if len(_open) >= AT_ONCE:
                raise TooManyRequests("Other files are being made at this moment.", retry_after=RETRY_SECONDS)
            _open.add(self)
        self._has_file = False
        return self

    def file(self, name: str, lines: Iterator[str]) -> Response:
        """The response that downloads `lines` as `name`."""
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        response = Response(stream_with_context(lines), mimetype="text/csv", headers=headers)
        if request.method != "HEAD":  # the body of its response is never read, so never closed
            response.call_on_close(partial(_open.discard, self))
            self._has_file = True
            if connection := request.environ.get("gunicorn.socket"):
                connection.settimeout(READER_SECONDS)
        return response

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._has_file:
            _open.discard(self)
