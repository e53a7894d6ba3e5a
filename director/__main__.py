"""``python -m director``: the command."""

from director.cli.app import main

main()
