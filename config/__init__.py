"""Templates of runs that work as they are; `zpeer init --from NAME` finds them here."""
