"""Our own input that we refuse: config, keys, files, plugins. A peer's deed is never one of these.

Each error says what was found, what was expected and what to do; the command line prints it
without a traceback.
"""

from __future__ import annotations

import signal


class ZpeerError(Exception):
    """Base of everything zpeer refuses by itself. `exit_code` is what the command ends with."""

    exit_code = 2


class InterruptedStartError(ZpeerError):
    """A signal to end, before anything was signed. `exit_code`: 128 and its number, as shells have
    it."""

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(reason)
        self.exit_code = 128 + signal.Signals[name]


class ConfigError(ZpeerError):
    """A run file, peer file or command line that cannot be used. Lists every problem at once."""


class IdentityError(ZpeerError):
    """A private key or identity file that cannot be used."""


class PluginError(ZpeerError):
    """A plugin that is missing, named twice, raises at start-up or breaks its contract."""


class WireError(ZpeerError):
    """Bytes that are no message: the only exception the decoder raises."""


class LogError(ZpeerError):
    """A recorded log that cannot be read."""


class EvidenceError(ZpeerError):
    """An evidence file that cannot be read or was altered."""


class StartError(ZpeerError):
    """What a peer needs at start is not as agreed: port, reference, parameters, genesis."""
