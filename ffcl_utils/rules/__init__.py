"""One file a learning rule, found by its name; `base` is the contract. Files that begin with an underscore are shared parts."""
