"""What honest peers are promised, one a module, judged by what was sent and decided alone.

`judges` tells each checker what concerns it, `verdicts` is what checkers are and say.
"""
