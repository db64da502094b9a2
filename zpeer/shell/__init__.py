"""What stands around a core: sessions, the journal, what comes in and what is told; no socket."""
