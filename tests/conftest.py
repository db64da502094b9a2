"""What all tests share: the same examples every time, and no test fails on a busy machine."""

from hypothesis import settings

settings.register_profile("zpeer", derandomize=True, deadline=None, database=None)
settings.load_profile("zpeer")
