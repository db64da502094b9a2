"""Few and short: real processes, real sockets, on the loopback interface."""
