"""Record the cases that come from real tools again.

``python -m pcaps.record --sipvicious FOLDER CASE...``, as root, from the checkout. FOLDER is the ``bin`` of an environment with
SIPVicious from PyPI; Debian's packages kamailio, sipvicious, sip-tester, baresip-core, ethtool and tcpdump do the rest. Everything runs in
network namespaces that are gone afterwards. Each run is a little different (times, ports, random ids): write ``expected.jsonl`` anew and
read what changed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pcaps.recorder.network import capture, hosts
from pcaps.recorder.scenes import SCENES, Stage

CASES = Path(__file__).parent


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Record cases again.")
    parser.add_argument(
        "--sipvicious", type=Path, required=True, metavar="FOLDER", help="bin of an environment with it"
    )
    parser.add_argument("cases", nargs="+", choices=sorted(SCENES), metavar="CASE", help=", ".join(sorted(SCENES)))
    options = parser.parse_args()
    for case in options.cases:
        record(case, options.sipvicious.absolute())


def record(case: str, pypi: Path) -> None:
    """One case, its PBX started fresh."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with hosts(folder) as spaces, capture(spaces["pbx"], folder / "capture.pcap"):
            SCENES[case](Stage(spaces, folder, pypi))
        target = CASES / case
        target.mkdir(exist_ok=True)
        written = (folder / "capture.pcap").read_bytes()
        (target / "capture.pcap").write_bytes(written)
        print(f"{case}: {len(written)} bytes")


if __name__ == "__main__":
    main()
