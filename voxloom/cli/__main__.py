"""`python -m voxloom.cli`, for a checkout that is not installed."""

from voxloom.cli import main

if __name__ == "__main__":
    main()
