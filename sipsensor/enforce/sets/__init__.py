"""The elements of our nft sets that come and go: who is cut and who is trusted, as the ledger and the standings say.

Imported by the keeper of a live sensor. The kernel's sets are a cache: what is not in them is judged by the sensor all the same.
"""

from sipsensor.enforce.sets.desired import Desired, Element
from sipsensor.enforce.sets.kernel import SETS, KernelSets

__all__ = ["SETS", "Desired", "Element", "KernelSets"]
