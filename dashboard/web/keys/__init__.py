"""API keys of an organization: created with a form, shown once, changed and revoked with a confirmation step."""

from dashboard.web.keys import create as create
from dashboard.web.keys import edit as edit
from dashboard.web.keys import listing as listing
from dashboard.web.keys.blueprint import pages as pages
