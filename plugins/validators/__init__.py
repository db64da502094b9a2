"""Shipped validators: one file a plugin."""
