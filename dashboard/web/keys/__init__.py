"""Keys of an organization's programs: made with a form, shown once, changed and ended with a step between."""

from dashboard.web.keys import changing as changing
from dashboard.web.keys import looking as looking
from dashboard.web.keys import making as making
from dashboard.web.keys.blueprint import pages as pages
