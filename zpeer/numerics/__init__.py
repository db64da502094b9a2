"""The arithmetic of a step, numpy only: dealing, CenteredClip, directions and projections,
optimizers.

Two kinds of numbers live here, and every module says which it makes. *Bit-equal* ones come out the
same on any hardware: norms, weights, directions, parameters. They are built from separately rounded
IEEE operations in a fixed order. *Tolerated* ones (aggregates, projections) may be computed in any
order by any library, and the checks leave room for the difference.

The floating point environment is taken to be the default one: round to nearest, denormals kept.
"""
