"""The WSGI application: `gunicorn wsgi:app`, `flask --app wsgi`."""

import gc

# What is made here stays: looking for garbage in it took a third of the start, and wrote to memory that copies share.
gc.disable()

from dashboard import create_app  # noqa: E402

app = create_app()
gc.freeze()
gc.enable()
