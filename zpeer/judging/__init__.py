"""Evidence: what proves a fault, and how anybody judges it offline (protocol, section 3)."""
