"""PEARL, the off-policy method that MIME is compared with: Rakelly et al. 2019; card 5.9."""
