"""Reads usage: its filters, the list of events, costs by group, and how a charge comes about. Writes nothing."""
