"""The platform's pages, for platform managers."""
