"""`python -m kettlingar` is the program `kettlingar`."""

import sys

from kettlingar.cli.program import main

sys.exit(main())
