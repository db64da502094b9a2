"""What all tests share: the same examples every time, no test fails on a busy machine, and Ctrl-C
means what it does in a terminal."""

import signal

from hypothesis import settings

settings.register_profile("zpeer", derandomize=True, deadline=None, database=None)
settings.load_profile("zpeer")

# A shell without job control starts what runs beside it with interrupts ignored, and everything
# started from there ignores them, too: the processes whose end is tested would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
