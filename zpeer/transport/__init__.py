"""To be written: see below."""
