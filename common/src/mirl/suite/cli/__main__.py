"""python -m mirl.suite.cli"""

from mirl.suite.cli import main

main()
