"""`python -m supaqueue`."""

from supaqueue.cli import main

if __name__ == "__main__":
    main()
