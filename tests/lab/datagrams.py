"""Datagrams from a file, one a line in hexadecimal, a millisecond apart: python3 datagrams.py ADDRESS PORT FILE."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path


def main() -> None:
    address, port, file = sys.argv[1:]
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for line in Path(file).read_text(encoding="ascii").split():
            # Not connected: that nobody listens there is no matter here.
            sending.sendto(bytes.fromhex(line), (address, int(port)))
            time.sleep(0.001)


if __name__ == "__main__":
    main()
