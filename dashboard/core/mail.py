"""Mail: renders three templates into an email and sends it to one SMTP server. Knows nothing about the content.

Whatever a template is given, each header field is one line, and only our own links are links: names that users and
organizations chose are written so that no mail program turns part of them into a link.
"""

import re
import smtplib
import ssl
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import current_app

from dashboard.core import clock

TIMEOUT_SECONDS = 10
LONGEST_SUBJECT = 200
LONGEST_ADDRESS = 254
LONGEST_REASON = 300

# Controls, unpaired surrogates, line and paragraph separators.
_BREAKING = ("Cc", "Cs", "Zl", "Zp")

OUR_LINKS = ("link", "base", "token")
"""What a template receives for the URLs that it links. All other text may come from someone else."""
ADDRESSES = (("invite", "address"), ("receipt", "payer_email"), ("email_change_from", "new"), ("email_changed", "new"))
"""The texts, by event, that are the reader's own addresses and stay unchanged. A name may look like one."""
UNLINKED = "\u200c"
"""A zero-width non-joiner: invisible, and mail programs do not turn text that contains it into a link."""

# A dot, also an ideographic or full-width one, within a word that looks like a domain, or a scheme.
_LINKED = re.compile("(?<=[^\\s.])[.\u3002\uff0e\uff61](?=[^\\W\\d_])|:(?=//)")


class MailError(Exception):
    """The server did not accept an email. `final`: it never will. `away`: it accepts none at the moment."""

    def __init__(self, detail: str, *, final: bool = False, away: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.final, self.away = final, away


@dataclass(frozen=True, slots=True)
class Rendered:
    """The content of an email: subject line, plain text, and the same as HTML."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to an email. `kind` is a MIME type such as `application/pdf`."""

    name: str
    kind: str
    content: bytes


def render(event: str, context: Mapping[str, Any]) -> Rendered:
    """Render `templates/emails/<event>/`. There is no request: the templates see only `context`."""
    plain = {
        name: value if name in OUR_LINKS or (event, name) in ADDRESSES else unlinked(value)
        for name, value in context.items()
    }
    subject, text, html = (
        current_app.jinja_env.get_template(f"emails/{event}/{part}").render(**plain)
        for part in ("subject.txt", "text.txt", "html.html")
    )
    return Rendered(one_line(subject)[:LONGEST_SUBJECT], text, html)


def unlinked(value: Any) -> Any:
    """Change a text, or each text of a list, so that no mail program makes a link of it."""
    if isinstance(value, list):
        return [unlinked(one) for one in value]
    return _LINKED.sub(lambda match: match[0] + UNLINKED, value) if isinstance(value, str) else value


def compose(
    email: Rendered, *, sender: str, to: str, message_id: str, attachments: list[Attachment] | None = None
) -> EmailMessage:
    """The message to send. `message_id` is the part before the @; an email that is sent twice keeps it."""
    domain = mailbox(sender).domain
    message = EmailMessage(policy=POLICY)
    message["Subject"] = email.subject
    message["From"] = mailbox(sender)
    message["To"] = _on_the_wire(to)
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{message_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(email.text)
    message.add_alternative(email.html, subtype="html")
    for one in attachments or []:
        kind, _, sub = one.kind.partition("/")
        message.add_attachment(one.content, maintype=kind, subtype=sub, filename=one.name)
    return message


def post(message: EmailMessage, *, url: str) -> None:
    """Hand a message to the server at `url`. When this returns, the server is responsible for it. Raises MailError."""
    try:
        server = _connected(url, local=message["From"].addresses[0].domain)
        try:
            server.send_message(message)
        finally:
            # the message was accepted or not; an error while quitting changes nothing
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        raise MailError(_reason(code, answer), final=500 <= code < 600) from None
    except smtplib.SMTPDataError as error:
        raise MailError(_reason(error.smtp_code, error.smtp_error), final=500 <= error.smtp_code < 600) from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailError(f"The mail server cannot take this mail: {one_line(str(error))}", final=True) from None
    except smtplib.SMTPResponseException as error:
        # The server rejects us, not this message: credentials and permissions are a matter of settings.
        raise MailError(_reason(error.smtp_code, error.smtp_error), away=True) from None
    except (smtplib.SMTPException, OSError) as error:
        text = one_line(str(error)) or type(error).__name__
        raise MailError(f"The mail server cannot be reached: {text}"[:LONGEST_REASON], away=True) from None


def mailbox(text: str) -> Address:
    """Parse `billing@example.com` or `Acme <billing@example.com>`. Raises ValueError unless it is exactly one
    address."""
    name, bracket, rest = text.strip().rpartition("<")
    spec = rest.removesuffix(">") if bracket else rest
    if one_line(text) != text.strip() or (bracket and not rest.endswith(">")):
        raise ValueError("must be an address such as billing@example.com or Acme <billing@example.com>")
    require_address(spec)
    return _on_the_wire(spec, name.strip().strip('"'))


def require_address(text: str) -> None:
    """Raise ValueError unless `text` is one bare address on one line."""
    local, at, domain = text.rpartition("@")
    readable = one_line(text) == text and " " not in text and len(text) <= LONGEST_ADDRESS
    if not (readable and at and local and domain) or any(mark in text for mark in '<>,;:"\\()[]'):
        raise ValueError("must be one email address")
    try:
        _on_the_wire(text)
    except (HeaderParseError, ValueError, IndexError):
        raise ValueError("must be one email address") from None


def _on_the_wire(address: str, name: str = "") -> Address:
    """Encode the domain as ASCII. The part before the @ cannot be encoded, and few servers accept it beyond ASCII."""
    local, _, domain = address.rpartition("@")
    if local.isascii():
        return Address(name, addr_spec=f"{local}@{domain.encode('idna').decode()}")
    return Address(name, local, domain.encode("idna").decode())


def one_line(text: str) -> str:
    """`text` on one line: line breaks and invisible characters become spaces, and repeated spaces become one."""
    return " ".join("".join(" " if unicodedata.category(c) in _BREAKING else c for c in text).split())


def _connected(url: str, *, local: str) -> smtplib.SMTP:
    """A session with the server, signed in if `url` contains a user. Signing in needs TLS, except on this machine."""
    parts = urlsplit(url)
    host, user = parts.hostname or "", unquote(parts.username or "")
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, local, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, parts.port or (587 if user else 25), local, timeout=TIMEOUT_SECONDS)
    try:
        server.ehlo_or_helo_if_needed()
        if user:
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            elif parts.scheme == "smtp" and not _here(host):
                raise OSError("it offers no STARTTLS, and the password is not sent in the clear")
            server.login(user, unquote(parts.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def _here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _reason(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"The mail server answered {code} {one_line(text)}"[:LONGEST_REASON].strip()
