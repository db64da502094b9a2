"""All peers of a run on one machine, and how they are shown."""
