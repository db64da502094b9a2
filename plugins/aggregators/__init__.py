"""Shipped aggregators: one file a plugin."""
