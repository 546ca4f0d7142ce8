"""The WSGI application: `gunicorn wsgi:app`, `flask --app wsgi`."""

import gc

# Objects created here stay. Garbage collection took a third of the startup and wrote to memory that forked processes
# share.
gc.disable()

from dashboard import create_app  # noqa: E402

app = create_app()
gc.freeze()
gc.enable()
