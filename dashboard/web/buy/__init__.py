"""Buying credits: the form, and the return page. Neither writes money; only the worker does."""

from dashboard.web.buy import choosing as choosing
from dashboard.web.buy import returning as returning
from dashboard.web.buy.blueprint import pages as pages
