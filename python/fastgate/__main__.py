"""`python -m fastgate`: the command `fastgate`."""

import sys

from fastgate.cli import main

sys.exit(main())
