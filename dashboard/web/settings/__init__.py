"""An organization's settings: name and addresses, identity provider of its end users, deletion."""

from dashboard.web.settings import general as general
from dashboard.web.settings import identity_provider as identity_provider
from dashboard.web.settings.blueprint import pages as pages
