"""What a run leaves beside its executed notebook, and how that is read, verified and promoted.

What the figures in it mean is judged in `claims`; which runs there are is said in `workflow`.
"""
