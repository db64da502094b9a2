"""`python -m zpeer`."""

from __future__ import annotations

from zpeer.cli import main

if __name__ == "__main__":
    main()
