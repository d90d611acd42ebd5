"""A plan of which only the timings are taken, of networks that are on this machine."""

from pathlib import Path

from msgspec.structs import replace

from bench.errors import BenchError
from bench.planning.plan import Plan, Step


def timings_alone(plan: Plan, artifacts: Path) -> Plan:
    """Return the plan with every timing due whose network lies in `artifacts`, and nothing else.

    Raise BenchError if there is none.
    """
    if not any(step.node.kind == "measure" for step in plan.steps.values()):
        raise BenchError(f"{plan.suite}: asks for no timings; name runtimes under measure:, such as [litert]")
    steps = {name: _timed(step, plan.steps, artifacts) for name, step in plan.steps.items()}
    if not any(step.due for step in steps.values()):
        raise BenchError(
            f"{plan.suite}: no network that is to be timed is on this machine; "
            f"bench run {plan.suite} --artifacts makes them"
        )
    return replace(plan, steps=steps)


def _timed(step: Step, steps: dict[str, Step], artifacts: Path) -> Step:
    if step.node.kind == "measure" and step.status != "unsupported":
        record = steps[step.node.parents[0]].record
        if record is not None and record.artifact is not None and (artifacts / record.artifact.file).exists():
            return replace(step, status="stale", reason="asked for with bench measure")
    if not step.due:
        return step
    reason = "its network is not on this machine" if step.node.kind == "measure" else "bench measure only times"
    return replace(step, status="excluded", reason=reason)
