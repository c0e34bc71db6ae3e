"""The live half of the composition root: three processes that share one page of numbers.

The supervisor (the parent) starts the other two, and kills and restarts a sensor that makes no progress. The sensor serves the queues and
judges. The keeper sees to it that the kernel's rules stand, and reckons what passed uninspected. Only ``cli`` imports this room.
"""
