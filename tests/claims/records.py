"""Records for the tests, in the format of metrics.json."""

import json

from ffcl_utils.claims.ledger import ledger
from ffcl_utils.workflow.runs import run

# Those that `make reproduce` answers, and those of the studies beyond it.
# At short: not what the preset paper alone trains.
AT_SHORT = [claim for claim in ledger() if "short" in claim.presets]
PAPERS = [claim for claim in AT_SHORT if run(claim.run).is_with_claims("short")]
OURS = [claim for claim in AT_SHORT if claim not in PAPERS]


def write_records(folder, claims=PAPERS, values=(0.6, 0.61), **changes):
    """A metrics.json for the run of each claim, on the claim's data, with its metrics."""
    for name in {claim.run for claim in claims}:
        of_run = [claim for claim in claims if claim.run == name]
        content = {
            "run": name,
            "dataset": of_run[0].dataset,
            "preset": "short",
            "changed": {},
            "seeds": list(range(len(values))),
            "metrics": {name: list(values) for claim in of_run for name in claim.metrics},
        } | changes
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
