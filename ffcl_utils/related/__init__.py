"""The farther neighbours: one module a work that is no learning rule for the same networks.

Each holds the idea as functions of arrays; what a notebook compares is in `studies`.
"""
