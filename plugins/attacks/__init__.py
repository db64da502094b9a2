"""Shipped attacks: one file a plugin."""
