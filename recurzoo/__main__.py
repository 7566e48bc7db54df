"""`python -m recurzoo`."""

import sys

from recurzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
