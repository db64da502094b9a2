"""Runs before they start: templates, config files, and the making of both."""
