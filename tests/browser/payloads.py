"""What a page must show as it was typed, and a browser's way of sending forms without being one."""

import re

import requests

from tests.browser.site import PASSWORD, TOKEN, Site

PAYLOADS = (
    "<script>alert('xss')</script>",
    "<img src=x onerror=alert('xss')>",
    "<svg/onload=alert('xss')>",
    "<b hx-get=/xss hx-trigger=load>",
    "<i hx-on:load=alert('xss')>",
    "<a data-hx-get=/xss data-hx-trigger=load>",
    "<a href=javascript:alert('xss')>",
    "javascript:alert('xss')//",
    "JaVaScRiPt:alert('xss')",
    "data:text/html,<script>alert('xss')</script>",
    "{{7*7}}xss{% raw %}",
    "${7*7}xss#{7*7}",
    "\" autofocus onfocus=alert('xss') x=\"",
    "' onmouseover='alert(`xss`)",
    "</title><script>alert('xss')</script>",
    "</textarea><svg onload=alert('xss')>",
    "</script><script>alert('xss')//",
    "--><img src=x onerror=alert('xss')>",
    "<iframe srcdoc='<script>alert(`xss`)</script>'>",
    "<form action=//xss.test><button>xss",
    "<base href=//xss.test/>",
    "<meta http-equiv=refresh content='0;url=//xss.test'>",
    "<style>@import '//xss.test'</style>",
    "<hx-partial hx-target=body>xss</hx-partial>",
    "<math><mtext></p><style><img src=x onerror=alert('xss')>",
    "&lt;script&gt;alert('xss')&lt;/script&gt;",
    "<dialog open hx-ignore=false>xss",
    "%3Cscript%3Ealert('xss')%3C/script%3E",
)

PLANTED = """() => [...document.querySelectorAll("*")].filter((el) =>
  [...el.attributes].some((one) => /^on/i.test(one.name)
    || (/^(data-)?hx-/i.test(one.name) && /xss|[?&=].*<|body/.test(one.value))
    || (/^(href|src|action|formaction|srcdoc|xlink:href)$/i.test(one.name)
      && /^\\s*(javascript|data|vbscript):|xss\\.test/i.test(one.value) && !one.value.startsWith("data:image/")))
  || el.matches("script:not([src]), base, object, embed, math, meta[http-equiv=refresh], main style, iframe[srcdoc]")
).map((el) => el.outerHTML.slice(0, 300))"""
"""Elements that nobody but a payload can have made."""


def packed(longest: int) -> list[str]:
    """All payloads in as few texts of that length as it takes; what is longer alone is cut."""
    texts = [""]
    for payload in PAYLOADS:
        more = f"{texts[-1]} {payload}".strip()
        texts[-1:] = [more] if len(more) <= longest else [texts[-1], payload[:longest]]
    return texts


class Sender:
    """A signed-in person who sends the product's own forms."""

    def __init__(self, site: Site, email: str, *, agent: str = "Tests") -> None:
        self.site, self.session = site, requests.Session()
        self.session.headers["User-Agent"] = agent
        assert self.post("/login", {"email": email, "password": PASSWORD}).status_code == 303

    def get(self, path: str) -> str:
        answer = self.session.get(self.site.url + path, timeout=10)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    def post(self, path: str, fields: dict[str, object], *, at: str = "") -> requests.Response:
        """`at`: the page that holds the form; its hidden fields go along."""
        page = self.session.get(self.site.url + (at or "/login"), timeout=10).text
        token = TOKEN.search(page) or re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert token, at
        hidden = dict(re.findall(r'type="hidden" name="(idempotency_key|revision)" value="([^"]*)"', page))
        form = {**hidden, **fields, "csrf_token": token[1]}
        return self.session.post(self.site.url + path, data=form, timeout=10, allow_redirects=False)
