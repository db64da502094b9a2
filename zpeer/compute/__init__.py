"""The numerics of a peer, off its loop: gradients, aggregates, projections, over a store."""
