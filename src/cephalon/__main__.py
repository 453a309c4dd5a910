"""`python -m cephalon` is the command `cephalon`."""

import sys

from cephalon.cli import main

if __name__ == "__main__":
    sys.exit(main())
