"""The whole program's front door: ``python server.py VERB``; see ``wx/cli.py``."""

import sys

from wx.cli import main

if __name__ == "__main__":
    sys.exit(main())
