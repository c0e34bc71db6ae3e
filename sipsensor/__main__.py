"""``python -m sipsensor`` is the command ``sipsensor``."""

from sipsensor.cli import main

if __name__ == "__main__":
    main()
