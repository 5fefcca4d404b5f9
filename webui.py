"""The pages with the HTTP interface beside them: `python webui.py [--host H] [--port P]`."""

import sys

from app.cli.main import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
