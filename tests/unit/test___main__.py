import subprocess
import sys

from sipsensor import __version__


def test_python_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "sipsensor", "version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sipsensor {__version__}\n"
    assert done.stderr == ""
