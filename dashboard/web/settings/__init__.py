"""An organization's settings: its name and addresses, its end users' identity provider, its end."""

from dashboard.web.settings import general as general
from dashboard.web.settings import identity_provider as identity_provider
from dashboard.web.settings.blueprint import pages as pages
