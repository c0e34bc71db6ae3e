"""``sipsensor observe``: see ``enforce``."""

from __future__ import annotations

from sipsensor.cli.enforce import observe as command

__all__ = ["command"]
