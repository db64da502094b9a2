"""`zpeer simulate`: whole runs from one seed, held to what the protocol promises.

    seed -> plan -> run -> checkers -> (failure: shrink, other futures, logs)

- `streams`: the only source of chance, drawn from hashes of the seed, one stream a purpose.
- `plan`, `plans`: what a run is made of, as a plain value; and how such values are drawn.
- `world`, `host`, `links`: virtual clock, processes, network; `universe` puts a run together.
- `adversaries`: what liars do.
- `promises`, `watch`: what honest peers saw and did, judged without the core.
- `shrink`, `futures`, `sweep`: from a failure to the little that explains it; and many seeds.

The core, the numerics and the sessions are the real ones. Everything else is a function of the
plan: two runs of one plan are equal, event for event.
"""
