"""`python -m oneblock.bench` is `oneblock`."""

from oneblock.bench._cli import main

if __name__ == "__main__":
    main()
