"""API keys of an organization: created with a form, shown once, changed and revoked with a confirmation step."""

from dashboard.web.keys import changing as changing
from dashboard.web.keys import looking as looking
from dashboard.web.keys import making as making
from dashboard.web.keys.blueprint import pages as pages
