"""The same computations, written the long way: one step after another, one row block after another."""
