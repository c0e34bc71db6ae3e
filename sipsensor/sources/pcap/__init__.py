"""Capture files to packets: pcap, pcapng, nanoseconds, gzip, a BPF filter, several files and directories.

``find`` makes a list of files out of what the user named, ``Capture`` reads one of them. What comes out is a batch:
bytes of many packets and an index over them, which the compiled ``Examiner.walk`` goes through without making an
object of every media packet; ``packets`` makes ``Packet`` objects of a batch where each is wanted.

Who reads what (docs/adr/0006): classic pcap goes through libpcap, nanosecond and compressed files by way of a pipe
(``classic``); pcapng is read here (``pcapng``), because libpcap 1.9.1 cuts its nanoseconds and refuses files with
several link types; BPF is always libpcap's.
"""

from sipsensor.sources.pcap.base import Batch, CaptureError, packets
from sipsensor.sources.pcap.capture import Capture, find

__all__ = ["Batch", "Capture", "CaptureError", "find", "packets"]
