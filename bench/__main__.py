"""`python -m oneblock.bench` is `oneblock`."""

from oneblock.bench.commands._app import main

if __name__ == "__main__":
    main()
