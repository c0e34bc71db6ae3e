"""Compiled code: everything that touches packet bytes or per-packet state.

May be imported by every room above; imports only ``model``. Pointer arithmetic on packet bytes lives in ``cursor.pxd``
alone. It never judges, never raises on packet bytes, and keeps no Python objects on the accept path. Import it as
``from sipsensor.fastpath import examine``.
"""

from sipsensor.fastpath.folding import fold, pair_key

__all__ = ["fold", "pair_key"]
