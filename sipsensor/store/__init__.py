"""What outlives a restart: cuts and offences, who is trusted and known, the operator's orders, the key of the hashes. One SQLite file,
one writer.

May be imported by ``app``, ``live`` and ``cli``; imports ``fastpath`` and ``model``. It never judges, and it holds digests, keys,
numbers and addresses: no account name, no credentials. Whoever writes it may wait for the disk, so no packet ever waits for it.
"""

from sipsensor.store.database import StoreError
from sipsensor.store.store import SEED_BYTES, Change, Entry, Order, Past, Store

__all__ = ["SEED_BYTES", "Change", "Entry", "Order", "Past", "Store", "StoreError"]
