# A client with Python's smtplib for the server of this package. It prints what it gets.
import smtplib
import ssl
import sys
from email.message import EmailMessage

port, cafile = int(sys.argv[1]), sys.argv[2]


def attempt(name, f, *args, **kwargs):
    try:
        print(name, f(*args, **kwargs))
    except smtplib.SMTPRecipientsRefused as err:
        print(name, "refused", sorted(err.recipients.items()))
    except smtplib.SMTPResponseException as err:
        print(name, type(err).__name__, err.smtp_code, err.smtp_error.decode())
    except (smtplib.SMTPException, ValueError) as err:
        print(name, type(err).__name__)


with smtplib.SMTP("localhost", port, local_hostname="me") as c:
    print("ehlo", c.ehlo()[0], sorted(c.esmtp_features))
    attempt("send", c.sendmail, "a@x", ["b@x", "nobody@x"], "one\n.dot\r\n..\n\nend")
    attempt("nobody", c.sendmail, "a@x", ["nobody@x"], "none")
    attempt("spam", c.sendmail, "spam@x", ["b@x"], "none")
    attempt("large", c.sendmail, "a@x", ["b@x"], "x" * 2000)
    attempt("bare", c.sendmail, "a@x", ["b@x"], b"a\n.\nb\r\n")
    attempt("again", c.sendmail, "", ["Postmaster"], b"\xff\r\n")
    print("noop", c.noop()[0], "rset", c.rset()[0], "vrfy", c.vrfy("b@x")[0])
    attempt("login", c.login, "ann", "secret")  # CRAM-MD5

with smtplib.SMTP("localhost", port, local_hostname="me") as c:
    print("starttls", c.starttls(context=ssl.create_default_context(cafile=cafile))[0])
    c.ehlo()
    print(sorted(c.esmtp_features))
    c.user, c.password = "ann", "wrong"
    attempt("plain, wrong", c.auth, "PLAIN", c.auth_plain)
    c.password = "secret"
    attempt("login", c.auth, "LOGIN", c.auth_login)
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "ä@x", "ö@x", "grüße"
    m.set_content("text\n.\n")
    attempt("utf8", c.send_message, m)
