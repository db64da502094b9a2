"""Switching off the rules of the core, one at a time: what `tools/mutation_check` is made of.

- `patches`: what can take the place of a function.
- `seen`, `matters`, `agreement`: the patch of each rule of the registry.
- `outside`: rules that are upheld elsewhere, and the tests that provoke them.
"""
