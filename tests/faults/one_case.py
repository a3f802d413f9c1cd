"""Prove one case by the name that a violation prints: python tests/faults/one_case.py 'marks,on_create=dropped'"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.product import Case, prove_alone


def main(name: str) -> int:
    """Print the verdict; 1 if something is wrong."""
    verdict = prove_alone(Case.named(name))
    print("\n".join(verdict.violations) or "nothing is wrong")
    print(f"{'killed' if verdict.died else 'not killed'}; the first process passed {verdict.passed}")
    return int(bool(verdict.violations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
