"""The commands of `python -m <paper>`, a module each; every one has run(paper, words) -> exit code."""
