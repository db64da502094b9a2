"""Logs: what a core saw and wanted, written down, read, run again and told."""
