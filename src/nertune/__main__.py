"""`python -m nertune`, which launchers such as torchrun need."""

from nertune.cli.main import main

main()
