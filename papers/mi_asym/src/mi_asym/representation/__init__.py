"""Stage 2: learn z_s = phi(s) and z_o = psi(o) from stage 1's data, before any policy is learnt."""
