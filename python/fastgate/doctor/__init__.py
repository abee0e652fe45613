"""What `fastgate doctor` looks at: whether a gateway with this configuration would do well on this machine.

Every check is a function that returns findings and raises nothing it can foresee; `examination` runs them
side by side. Nothing is changed: no directory is made, no lock kept, no tokens spent.
"""
