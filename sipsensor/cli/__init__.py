"""The command line: one file per command, nothing but arguments and printing. Exit 0 fine, 1 the answer is no, 2
usage or configuration.

Each command's module is imported only when it is called, so that ``sipsensor version`` is as quick as Python itself.
"""

from sipsensor.cli.main import main

__all__ = ["main"]
