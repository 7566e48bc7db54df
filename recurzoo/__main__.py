"""`python -m recurzoo`."""

import sys

from recurzoo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
