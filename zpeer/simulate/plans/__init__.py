"""Where plans come from: drawn from seeds, made over to provoke a rule, or all of a kind.

`drawing` draws, `variations`, `provocations` and `plots` make over; `exhaustive` lists who sees
what.
"""
