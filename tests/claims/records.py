"""Records for the tests, in the format of metrics.json."""

import json

from ffcl_utils.claims.ledger import ledger

PAPERS = [claim for claim in ledger() if not claim.ours]
OURS = [claim for claim in ledger() if claim.ours]


def write_records(folder, claims=PAPERS, values=(0.6, 0.61), **changes):
    """A metrics.json for the run of each claim, on the claim's data, with its metrics."""
    for run in {claim.run for claim in claims}:
        of_run = [claim for claim in claims if claim.run == run]
        content = {
            "run": run,
            "dataset": of_run[0].dataset,
            "preset": "short",
            "changed": {},
            "seeds": list(range(len(values))),
            "metrics": {claim.metric: list(values) for claim in of_run},
        } | changes
        (folder / run).mkdir(parents=True, exist_ok=True)
        (folder / run / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
