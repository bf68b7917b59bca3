"""Pure functions: every loss, bound and intrinsic reward of the paper, one file a subject."""
