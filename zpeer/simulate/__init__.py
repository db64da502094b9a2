"""`zpeer simulate`: whole runs from one seed, held to what the protocol promises.

    seed -> plan -> run -> checkers -> (failure: shrink, other futures, logs)

- `streams`: the only source of chance, drawn from hashes of the seed, one stream a purpose.
- `plan`, `drawing`: what a run is made of, as a plain value; and such a value drawn from a seed.
- `world`, `host`, `links`: virtual clock, processes, network; `universe` puts a run together.
- `mutator`, `twins`: adversaries that know nothing of the protocol's weak points and try them all.
- `watch`, `truth`, `checkers`, `bounds`: what honest peers saw and did, judged without the core.
- `shrink`, `futures`, `sweep`: from a failure to the little that explains it; and many seeds.

The core, the numerics and the sessions are the real ones. Everything else is a function of the
plan: two runs of one plan are equal, event for event.
"""
