"""``python -m dexsy_bench`` is ``dexsy-bench``."""

from dexsy_bench.cli import main

if __name__ == "__main__":
    main()
