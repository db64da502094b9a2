"""zpeer: groups that do not trust each other train one model together."""
