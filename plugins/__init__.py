"""The plugins that ship with zpeer; they come through the same door as anybody's (see README.md here)."""
