"""IP packets as they are: python3 raw.py HEX..., each from its first header byte to its end."""

from __future__ import annotations

import socket
import sys


def main() -> None:
    for text in sys.argv[1:]:
        packet = bytes.fromhex(text)
        family, at, size = (socket.AF_INET6, 24, 16) if packet[0] >> 4 == 6 else (socket.AF_INET, 16, 4)
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(packet, (socket.inet_ntop(family, packet[at : at + size]), 0))


if __name__ == "__main__":
    main()
