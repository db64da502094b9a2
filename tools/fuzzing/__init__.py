"""What `tools/fuzz` throws at zpeer, and at what.

- `doors`: numbered cases, what they count, how a failure is told.
- `bytes`, `trees`: damage to encoded bytes; one field changed of what they decode to.
- `decoder`, `core`, `files`: the three doors.
- `world`, `arithmetic`, `scenes`: a swarm of real cores with made-up arithmetic; moments of it.
- `words`, `aim`, `lies`: what liars say, whom they may accuse, how they throw it.
- `records`, `settings`: logs and evidence; files that people write, and greetings.
- `bounds`: what a core may keep and say.
"""
