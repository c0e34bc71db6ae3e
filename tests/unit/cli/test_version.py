import subprocess
import sys
import time

from sipsensor import __version__
from tests.unit.cli.conftest import Command, Program


def test_it_prints_the_version(command: Command) -> None:
    assert command("version").output == f"sipsensor {__version__}\n"
    assert command("--version").output == f"sipsensor {__version__}\n"


def test_it_imports_nothing_heavy(program: Program) -> None:
    code = "import sys; from sipsensor.cli.main import group; group(['version'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "rich", "pcapy", "sipsensor.app", "sipsensor.engine", "sipsensor.config.load"} & set(loaded)
    started = time.perf_counter()
    program("version")
    assert time.perf_counter() - started < 5
