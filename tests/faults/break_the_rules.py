"""Break each rule of the protocol in one place, and see which test or case notices:
python tests/faults/break_the_rules.py [WORDS OF A BREAK]

It ends with 1 where nothing did.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.breaking import main

from faults.rules import BREAKS

if __name__ == "__main__":
    sys.exit(main(__file__, BREAKS))
