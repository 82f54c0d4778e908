"""`python -m trainwright` is the command line."""

from trainwright.cli.main import main

main()
