"""`python -m oneblock.bench` is `oneblock`."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working folder, which `-m` puts there: what lies in it may be anybody's
    from oneblock.bench.commands._app import main

    main()
