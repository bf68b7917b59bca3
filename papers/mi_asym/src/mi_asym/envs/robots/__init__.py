"""Block-Pulling, Block-Pushing and Drawer-Opening: a Kuka arm over a table of look-alikes, in PyBullet (card 4.5)."""
