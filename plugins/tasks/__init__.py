"""Shipped tasks: one file a plugin."""
