"""Commands for people who work on zpeer: set-up, tests, demo, measurements."""
