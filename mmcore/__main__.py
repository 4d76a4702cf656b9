"""`python -m mmcore` and the console script `mmcore`."""

from __future__ import annotations

from typing import Final

_INTERRUPTED: Final = 130


def main() -> int:
    """The command line, and what Ctrl-C does while nothing trades: it ends the program, which says nothing. Imports are
    part of that. A run counts signals instead, until all its orders are gone."""
    try:
        from mmcore import cli

        return cli.main()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
