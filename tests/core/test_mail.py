"""SMTP: who is told the password, what a broken server does, and which addresses the settings take."""

import datetime
import ipaddress
import socket
import ssl
import threading
from email.message import EmailMessage
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboard.core import mail
from dashboard.core.mail import Attachment, MailError, Rendered
from tests.each import each
from tests.mailbox import Mailbox, mailbox

LETTER = Rendered("Hello", "Text", "<p>Text</p>")


def message(to: str = "ada@example.test") -> EmailMessage:
    return mail.compose(LETTER, sender="Coffer <billing@coffer.test>", to=to, message_id="1")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of this machine's loopback address, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path / "cert.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def with_user(box: Mailbox, password: str = "p%40ss", scheme: str = "smtp") -> str:
    return f"{scheme}://coffer%40acme:{password}@127.0.0.1:{box.port}"


def test_starttls_is_taken_where_a_user_signs_in(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    box = Mailbox()
    box.open(authenticator=box.check, tls_context=tls(certificate), require_starttls=True)
    try:
        mail.post(message(), url=with_user(box))
    finally:
        box.close()
    assert box.logins == [(b"coffer@acme", b"p@ss")]
    assert len(box.letters) == 1


def test_a_certificate_nobody_vouches_for_gets_no_password(certificate: Path) -> None:
    box = Mailbox()
    box.open(authenticator=box.check, tls_context=tls(certificate))
    try:
        with pytest.raises(MailError) as refusal:
            mail.post(message(), url=with_user(box))
    finally:
        box.close()
    assert refusal.value.away
    assert not box.logins
    assert not box.letters


def test_smtps_is_encrypted_from_the_start(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    box = Mailbox()
    box.open(authenticator=box.check, ssl_context=tls(certificate), auth_require_tls=False)
    try:
        mail.post(message(), url=with_user(box, scheme="smtps"))
    finally:
        box.close()
    assert box.logins == [(b"coffer@acme", b"p@ss")]
    assert len(box.letters) == 1


def test_a_password_goes_in_the_clear_on_this_machine_only() -> None:
    box = Mailbox()
    box.open(authenticator=box.check, auth_require_tls=False)
    try:
        mail.post(message(), url=with_user(box))
        assert len(box.logins) == 1
        host = socket.gethostname()
        with pytest.raises(MailError):
            mail.post(message(), url=with_user(box).replace("127.0.0.1", host))
    finally:
        box.close()
    assert len(box.logins) == 1


def test_a_wrong_password_is_the_settings_fault_and_not_the_mails() -> None:
    box = Mailbox()
    box.open(authenticator=box.check, auth_require_tls=False)
    try:
        with pytest.raises(MailError) as refusal:
            mail.post(message(), url=with_user(box, "wrong-secret"))
    finally:
        box.close()
    assert refusal.value.away
    assert not refusal.value.final
    assert "wrong-secret" not in refusal.value.detail


@pytest.mark.parametrize("goodbye", ["250 so long", "421 too busy to say goodbye", "500 what?"])
def test_what_was_taken_is_taken_however_the_server_says_goodbye(goodbye: str) -> None:
    with mailbox() as box:
        box.goodbye = goodbye
        mail.post(message(), url=box.url)
    assert len(box.letters) == 1


@each("said", [b"", b"hello\r\n", b"220 ok\r\n", b"554 no service\r\n", b"\xff" * 5000, b"421\r\n"])
def test_a_server_that_speaks_no_smtp_is_away(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(MailError) as refusal:
            mail.post(message(), url=f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert refusal.value.away
    assert len(refusal.value.detail) <= mail.LONGEST_REASON
    assert refusal.value.detail.isprintable()


def test_an_attachment_keeps_its_name_and_content() -> None:
    files = [Attachment("receipt-1.pdf", "application/pdf", b"%PDF-\x00\xff")]
    with mailbox() as box:
        made = mail.compose(LETTER, sender="b@coffer.test", to="a@b.test", message_id="1", attachments=files)
        mail.post(made, url=box.url)
        (found,) = box.letters[0].iter_attachments()
    assert (found.get_filename(), found.get_content_type()) == ("receipt-1.pdf", "application/pdf")
    assert found.get_content() == b"%PDF-\x00\xff"


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("billing@example.com", "", "billing@example.com"),
        ("Acme <billing@example.com>", "Acme", "billing@example.com"),
        ('"Acme, Inc." <billing@example.com>', "Acme, Inc.", "billing@example.com"),
        ("Müller & Söhne <post@müller.example>", "Müller & Söhne", "post@xn--mller-kva.example"),
    ],
)
def test_a_sender_is_one_mailbox(text: str, name: str, spec: str) -> None:
    found = mail.mailbox(text)
    assert (found.display_name, found.addr_spec) == (name, spec)


@each("text", ["", "Acme", "Acme <a@b.test", "a@b.test, c@d.test", "A\nB <a@b.test>", "<>", "A <a b@c>"])
def test_anything_else_is_no_sender(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        mail.mailbox(text)


def test_the_text_is_one_line() -> None:
    assert mail.one_line(" a\r\nb\x00\x0bc\u2028d  e\t") == "a b c d e"
    assert mail.one_line("Zoë 🚀 חברה") == "Zoë 🚀 חברה"


@each(
    ("text", "kept"),
    [
        ("$26.00 at 12:00, Dr. No, Inc.", True), ("ada.l@example.test", False), ("192.0.2.1", True),
        ("evil.example/login", False), ("https://192.0.2.1/", False), ("evil\u3002example", False),
        ("x.y@z.test a", False),
    ],
)  # fmt: skip
def test_only_what_a_mail_program_would_link_is_written_otherwise(text: str, kept: bool) -> None:
    found = mail.unlinked([text])[0]
    assert (found == text) == kept
    assert found.replace(mail.UNLINKED, "") == text
