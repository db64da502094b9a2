"""What liars do in a simulated run, besides the attacks that ship as plugins.

`mutator` changes its own messages field by field, `forger` and `plotting` know one trick each,
`scripted` shows what it is told to, `twins` are two with one key.
"""
