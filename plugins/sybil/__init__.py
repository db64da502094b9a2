"""Shipped sybil: one file a plugin."""
