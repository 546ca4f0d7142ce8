"""What a browser complains about while pages are used."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Dialog, Page, Request

# An answer of 4xx or 5xx is told on the console as well; where it was not meant, the test's own steps fail.
ANSWERS = re.compile(r"Failed to load resource: the server responded with a status of \d{3}")


@dataclass
class Monitor:
    """Collects what must not happen on our pages: errors, refused content, dialogs, requests to other places."""

    site: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("dialog", self._spoken)
        page.on("request", self._asked)

    def require_quiet(self) -> None:
        assert not self.complaints, "\n".join(self.complaints)

    def _spoken(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _said(self, message: ConsoleMessage) -> None:
        here = str(message.location.get("url", ""))
        theirs = here and urlsplit(here).netloc != urlsplit(self.site).netloc
        if theirs or message.type not in ("error", "warning") or ANSWERS.match(message.text):
            return
        self.complaints.append(f"{here}: {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(f"{request.method} {urlsplit(request.url).path}")
