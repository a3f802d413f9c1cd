"""Take away each guard in one place, and see which test notices:
python tests/security/break_the_guards.py [WORDS OF A BREAK]

It ends with 1 where none did.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from security.guards import BREAKS
from support.breaking import main

if __name__ == "__main__":
    sys.exit(main(__file__, BREAKS))
