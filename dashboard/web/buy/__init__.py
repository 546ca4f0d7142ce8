"""Buying credits: the form, and the return page. Neither writes money; only the worker does."""

from dashboard.web.buy import checkout as checkout
from dashboard.web.buy import return_page as return_page
from dashboard.web.buy.blueprint import pages as pages
