"""The kernel rules of a live sensor: our nft table, the queueing rules, and looking after both.

Imported by the keeper of a live sensor and by the command line. It runs nft and iptables and never judges; it touches nothing that is not
named after us.
"""

from sipsensor.enforce.rules.counts import Counts
from sipsensor.enforce.rules.kernel import KernelRules
from sipsensor.enforce.rules.plan import Backend, KernelPlan
from sipsensor.enforce.rules.script import Survey, kernel_script, survey
from sipsensor.enforce.rules.tools import RulesError

__all__ = ["Backend", "Counts", "KernelPlan", "KernelRules", "RulesError", "Survey", "kernel_script", "survey"]
