"""`python -m bench` is `etl-bench`."""

from bench.cli import main

if __name__ == "__main__":
    main()
