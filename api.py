"""The HTTP interface alone: `python api.py [--host H] [--port P]`."""

import sys

from app.cli.main import main

if __name__ == "__main__":
    main(["serve", "--api-only", *sys.argv[1:]])
