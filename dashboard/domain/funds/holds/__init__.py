"""Holds: money that is reserved in a wallet now and charged later, as a whole, in part, or not at all.

`steps` opens, extends, captures and releases them, `ending` ends those that expired, `listing` reads them.
"""
