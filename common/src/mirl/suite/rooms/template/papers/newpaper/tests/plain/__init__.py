"""Plain, slow twins of the fast code, written for reading: loops over episodes and steps."""
