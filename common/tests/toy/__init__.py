"""A paper small enough to test the run contract with: a walker that seeks the origin, NumPy alone."""
