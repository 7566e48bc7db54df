"""`python -m recurzoo`, and the command `recurzoo`."""

import sys


def main() -> int:
    """Run the command line; an interruption while it is still being imported is told in a word, too."""
    try:
        from recurzoo.cli.main import main as run
    except KeyboardInterrupt:
        print("recurzoo: Interrupted.", file=sys.stderr)
        return 1
    return run()


if __name__ == "__main__":
    sys.exit(main())
